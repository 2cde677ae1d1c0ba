package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func packed(t *testing.T, text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestBrokenFilesAreNamed(t *testing.T) {
	good := "campaign_id,type,start_date,end_date\n1,Type A,2026-03-01,2026-03-31\n"
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"missing":         {nil, "campaigns.csv.gz: "},
		"not gzip":        {[]byte(good), "campaigns.csv.gz: gzip: invalid header"},
		"cut off":         {packed(t, good)[:40], "campaigns.csv.gz, line "},
		"empty":           {packed(t, ""), "campaigns.csv.gz, line 1: no header row"},
		"missing column":  {packed(t, "campaign_id,type,start_date\n"), `campaigns.csv.gz, line 1: there is no column "end_date", only campaign_id, type, start_date`},
		"a cell too many": {packed(t, good+"2,Type A,2026-03-01,2026-03-31,x\n"), "campaigns.csv.gz, line 3: "},
		"wrong date":      {packed(t, good+"2,Type A,2026-03-01,31/03/2026\n"), `campaigns.csv.gz, line 3: "31/03/2026" is not a date`},
		"open quote":      {packed(t, good+"2,\"Type A,2026-03-01,2026-03-31\n"), "campaigns.csv.gz, line 3: "},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(folder, "journey"), 0o700))
			if c.content != nil {
				require.NoError(t, os.WriteFile(filepath.Join(folder, "journey", "campaigns.csv.gz"), c.content, 0o600))
			}
			src, found := openFolder(folder, "journey")
			require.True(t, found)
			_, err := readJourney(src)
			assert.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, folder)
		})
	}
}

func TestBadRowsAreNamed(t *testing.T) {
	journey := func(src source) error { _, err := readJourney(src); return err }
	olist := func(src source) error { _, err := readOlist(src); return err }
	retail := func(src source) error { _, err := readInvoices(src); return err }
	for _, c := range []struct {
		read  func(source) error
		all   tables
		table string
		row   []string
		want  string
	}{
		{journey, generateJourney(), "journey/coupon_products", []string{"5000", "9", "1000"}, `there is no campaign "9"`},
		{journey, generateJourney(), "journey/redemptions", []string{"2026-03-01", "100", "7", "1"}, `campaign "1" has no coupon "7"`},
		{olist, generateOlist(), "olist/orders", []string{"o", "c", "delivered", "2026-03-01", ""}, "is not a local time like"},
		{olist, generateOlist(), "olist/orders", []string{"o", "c", "delivered", "2026-03-02T00:00:00", "2026-03-01T00:00:00"}, "approved before it was made"},
		{olist, generateOlist(), "olist/items", []string{"none", "1", "p", "s", "", "1.00", "1.00"}, `there is no order "none"`},
		{olist, generateOlist(), "olist/items", []string{"order-000", "9", "p", "s", "", "1,00", "1.00"}, "price: ledger: not an amount"},
		{olist, generateOlist(), "olist/items", []string{"order-000", "9", "p", "s", "", "1.00", "1.001"}, "freight: ledger: too many decimals"},
		{retail, generateRetail(), "ukretail/orders", []string{"9", "", "sale", "today"}, `invoiced_at "today"`},
		{retail, generateRetail(), "ukretail/items", []string{"1000", "9", "P01", "1.5", "1.00"}, `quantity "1.5" is not a whole number`},
		{retail, generateRetail(), "ukretail/items", []string{"1000", "9", "P01", "9999999", "1.00"}, `quantity "9999999" is not a whole number up to`},
		{retail, generateRetail(), "ukretail/items", []string{"1000", "9", "P01", "9", "free"}, "unit_price: ledger: not an amount"},
		{retail, generateRetail(), "ukretail/items", []string{"1000", "9", "none", "9", "1.00"}, `there is no product "none"`},
		{retail, generateRetail(), "ukretail/items", []string{"1000", "9", "P01", "1000000", "90000000000000000.00"}, "does not fit"},
	} {
		t.Run(c.want, func(t *testing.T) {
			require.NoError(t, c.read(c.all.source()))
			c.all.add(c.table, c.row...)
			err := c.read(c.all.source())
			assert.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, fmt.Sprintf("generated %s, line %d: ", c.table, len(c.all[c.table])))
		})
	}
}
