package coupon

import (
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// The bodies that are read with every order read themselves: see [storage.Codec.Decode].
// What most orders do not have, and what is not written in the plain way, encoding/json
// reads.

// ReadMember reads a member of a redemption.
func (b *redemptionBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "order":
		return jsonbody.String(value, &b.Order)
	case "state":
		return jsonbody.String(value, &b.State)
	case "customer":
		return jsonbody.String(value, &b.Customer)
	case "currency":
		return ledger.ReadCurrency(value, &b.Currency)
	case "fingerprint":
		return jsonbody.String(value, &b.Fingerprint)
	case "lines":
		return jsonbody.Slice(value, &b.Lines, readLine)
	case "deliveries":
		return jsonbody.Slice(value, &b.Deliveries, readDelivery)
	case "applied":
		return jsonbody.Slice(value, &b.Applied, readApplied)
	case "claims":
		return ledger.ReadClaims(value, &b.Claims)
	case "payers":
		return jsonbody.Slice(value, &b.Payers, jsonbody.String[string])
	case "gifts":
		return jsonbody.Value(value, &b.Gifts)
	case "refunds":
		return jsonbody.Value(value, &b.Refunds)
	case "tender":
		return jsonbody.Value(value, &b.Tender)
	case "settled":
		return jsonbody.Bool(value, &b.Settled)
	case "holds":
		return jsonbody.Slice(value, &b.Holds, jsonbody.String[string])
	}
	return b.readNumber(name, value)
}

func (b *redemptionBody) readNumber(name, value []byte) bool {
	switch string(name) {
	case "at":
		return jsonbody.Int(value, &b.At)
	case "until":
		return jsonbody.Int(value, &b.Until)
	case "confirmed":
		return jsonbody.Int(value, &b.Confirmed)
	case "ended":
		return jsonbody.Int(value, &b.Ended)
	case "subtotal":
		return jsonbody.Int(value, &b.Subtotal)
	case "discount":
		return jsonbody.Int(value, &b.Discount)
	case "shipping":
		return jsonbody.Int(value, &b.Shipping)
	case "total":
		return jsonbody.Int(value, &b.Total)
	case "refunded":
		return jsonbody.Int(value, &b.Refunded)
	}
	return false
}

func readLine(text []byte, l *lineBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			return jsonbody.String(value, &l.ID)
		case "product":
			return jsonbody.String(value, &l.Product)
		case "seller":
			return jsonbody.String(value, &l.Seller)
		case "quantity":
			return jsonbody.Int(value, &l.Quantity)
		case "price":
			return jsonbody.Int(value, &l.Price)
		case "parts":
			return jsonbody.Slice(value, &l.Parts, readPart)
		}
		return false
	})
}

func readPart(text []byte, p *partBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "units":
			return jsonbody.Int(value, &p.Units)
		case "price":
			return jsonbody.Int(value, &p.Price)
		case "off":
			return jsonbody.Slice(value, &p.Off, readOff)
		case "returned":
			return jsonbody.Int(value, &p.Returned)
		}
		return false
	})
}

func readOff(text []byte, o *offBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "applied":
			return jsonbody.Int(value, &o.Applied)
		case "payer":
			return jsonbody.Int(value, &o.Payer)
		case "amount":
			return jsonbody.Int(value, &o.Amount)
		}
		return false
	})
}

func readDelivery(text []byte, d *deliveryBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			return jsonbody.String(value, &d.ID)
		case "seller":
			return jsonbody.String(value, &d.Seller)
		case "price":
			return jsonbody.Int(value, &d.Price)
		case "off":
			return jsonbody.Slice(value, &d.Off, readOff)
		case "returned":
			return jsonbody.Bool(value, &d.Returned)
		}
		return false
	})
}

func readApplied(text []byte, a *appliedBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "offer":
			return jsonbody.String(value, &a.Offer)
		case "version":
			return jsonbody.Int(value, &a.Version)
		case "name":
			return jsonbody.String(value, &a.Name)
		case "coupon":
			return jsonbody.String(value, &a.Coupon)
		case "held":
			return jsonbody.Bool(value, &a.Held)
		case "amount":
			return jsonbody.Int(value, &a.Amount)
		case "taken":
			return ledger.ReadClaims(value, &a.Taken)
		}
		return a.readSeldom(name, value)
	})
}

func (a *appliedBody) readSeldom(name, value []byte) bool {
	switch string(name) {
	case "restore":
		return jsonbody.Value(value, &a.Restore)
	case "expires":
		return jsonbody.Int(value, &a.Expires)
	case "below":
		return jsonbody.Value(value, &a.Below)
	case "override":
		return jsonbody.Value(value, &a.Override)
	case "clawed":
		return jsonbody.Int(value, &a.Clawed)
	case "minimum":
		return jsonbody.Int(value, &a.Minimum)
	case "minimum_after":
		return jsonbody.Int(value, &a.After)
	case "lines":
		return jsonbody.Value(value, &a.Lines)
	case "minimum_of":
		return jsonbody.Value(value, &a.Others)
	}
	return false
}

// ReadMember reads a member of a coupon.
func (b *couponBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "code":
		return jsonbody.String(value, &b.Code)
	case "offer":
		return jsonbody.String(value, &b.Offer)
	case "version":
		return jsonbody.Int(value, &b.Version)
	case "name":
		return jsonbody.String(value, &b.Name)
	case "holder":
		return jsonbody.String(value, &b.Holder)
	case "issued":
		return jsonbody.Int(value, &b.Issued)
	case "expires":
		return jsonbody.Int(value, &b.Expires)
	case "uses":
		return jsonbody.Int(value, &b.Uses)
	case "used":
		return jsonbody.Slice(value, &b.Used, readUse)
	case "revoked":
		return string(value) == "null" || jsonbody.Value(value, &b.Revoked)
	case "stocked":
		return jsonbody.String(value, &b.Stocked)
	}
	return false
}

func readUse(text []byte, u *useBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "order":
			return jsonbody.String(value, &u.Order)
		case "until":
			return jsonbody.Int(value, &u.Until)
		case "at":
			return jsonbody.Int(value, &u.At)
		case "opening":
			return jsonbody.String(value, &u.Opening)
		}
		return false
	})
}

// ReadMember reads a member of a code's document.
func (b *codeBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "coupon":
		return jsonbody.String(value, &b.Coupon)
	case "offer":
		return jsonbody.String(value, &b.Offer)
	case "version":
		return jsonbody.Int(value, &b.Version)
	case "load":
		return jsonbody.String(value, &b.Load)
	case "sealed":
		return jsonbody.Value(value, &b.Sealed)
	case "also":
		return jsonbody.Value(value, &b.Also)
	}
	return false
}
