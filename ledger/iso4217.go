package ledger

// isoExponent is the number of decimals of a currency of ISO 4217.
//
// Source: the ISO 4217 maintenance agency's list one (currencies and funds), as
// amended up to number 180 (1 January 2026), with list three (withdrawn codes)
// for those withdrawn since 2016, which stay readable because shops keep books
// for ten years. Codes without a minor unit (precious metals, bond units, XDR,
// XSU, XUA, XTS, XXX) are left out: no exact amount can be written in them. CLDR
// is no source: it gives decimals as people like to see them, 0 for RSD, PKR,
// COP and IQD.
//
// testdata/iso4217.txt holds the same table, with the independent sources it was
// checked against; change both together, and remove no code that was ever here:
// it would make books unreadable. A shop may have made a unit of a code that ISO
// assigns later ("ABC:0"): whoever adds the code keeps that text readable.
func isoExponent(code string) (exponent int, known bool) {
	switch code {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF",
		"UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0, true
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3, true
	case "CLF", "UYW":
		return 4, true
	case "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM",
		"BBD", "BDT", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP",
		"BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CNY", "COP", "COU",
		"CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB",
		"EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD",
		"HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES",
		"KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL",
		"MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
		"MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
		"NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD",
		"RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS",
		"SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP",
		"TRY", "TTD", "TWD", "TZS", "UAH", "USD", "USN", "UYU", "UZS", "VED",
		"VES", "WST", "XAD", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG":
		return 2, true
	}
	return withdrawnExponent(code)
}

// withdrawnExponent is isoExponent for codes withdrawn since 2016.
func withdrawnExponent(code string) (exponent int, known bool) {
	switch code {
	case "BYR": // July 2016, now BYN
		return 0, true
	case "MRO", // December 2017, now MRU
		"STD", // December 2017, now STN
		"VEF", // August 2018, now VES
		"CUC", // June 2021, now CUP
		"HRK", // January 2023, now EUR
		"SLL", // December 2023, now SLE
		"ZWL", // September 2024, now ZWG
		"ANG", // March 2025, now XCG
		"BGN": // January 2026, now EUR
		return 2, true
	}
	return 0, false
}
