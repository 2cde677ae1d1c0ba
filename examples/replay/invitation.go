package main

import (
	"hash/fnv"
	"time"
)

// invitation is made up: no data says who brought whom.
type invitation struct {
	friend   string
	referrer string    // empty: the friend came alone
	touched  time.Time // followed the referrer's link
	joined   time.Time // completed registration
}

// invite makes up an invitation for each customer's first purchase, from nothing
// but the ids and instants of the invoices, so that it is the same each time.
// About every third customer followed a link two hours before and registered one
// hour before. Whose link is a matter of the hash too; who bought early has brought
// more, and some bring more than count.
func invite(invoices []*invoice) []invitation {
	var invitations []invitation
	seen := make(map[string]bool)
	for _, v := range invoices {
		if _, sold := v.cart(); !sold || v.kind != "sale" || v.customer == "" || seen[v.customer] {
			continue
		}
		seen[v.customer] = true
		i := invitation{friend: v.customer, touched: v.at.Add(-2 * time.Hour), joined: v.at.Add(-time.Hour)}
		before := len(invitations)
		for before > 0 && !invitations[before-1].joined.Before(i.touched) { // had not registered yet
			before--
		}
		hash := fnv.New32a()
		hash.Write([]byte(v.customer))
		if n := hash.Sum32(); before > 0 && n%3 == 0 {
			by := int(n/3) % before
			i.referrer = invitations[by*by/before].friend
		}
		invitations = append(invitations, i)
	}
	return invitations
}
