package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The made-up invitations are possible ones: each friend once, before the first
// purchase, by somebody who had registered before.
func TestInvitationsArePossible(t *testing.T) {
	invoices, err := readInvoices(generateRetail().source())
	require.NoError(t, err)
	first := make(map[string]*invoice)
	for _, v := range invoices {
		if _, sold := v.cart(); sold && v.kind == "sale" && v.customer != "" && first[v.customer] == nil {
			first[v.customer] = v
		}
	}
	invitations := invite(invoices)
	require.Len(t, invitations, len(first))
	invited := 0
	seen := make(map[string]bool)
	for _, i := range invitations {
		assert.True(t, i.touched.Before(i.joined) && i.joined.Before(first[i.friend].at))
		if i.referrer != "" {
			invited++
			assert.True(t, first[i.referrer].at.Add(-time.Hour).Before(i.touched))
			assert.NotEqual(t, i.friend, i.referrer)
		}
		assert.False(t, seen[i.friend])
		seen[i.friend] = true
	}
	assert.NotZero(t, invited)
}
