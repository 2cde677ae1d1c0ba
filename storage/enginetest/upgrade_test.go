package enginetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// TestTwoReleases lets this release and a later one work on one database, as during
// an upgrade: the later one has written members that this one does not know, has
// added a column and a migration, and in the end raises a format.
func TestTwoReleases(t *testing.T) {
	for _, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			m, ctx := openMarket(t, e), t.Context()
			_, err := m.referrals.Publish(ctx, referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome"}}, coupon.IssueOffer{Offer: "friend"}), "staff", noon)
			require.NoError(t, err)
			link, err := m.referrals.Link(ctx, "invite", "jane", noon)
			require.NoError(t, err)
			bound, err := m.referrals.Register(ctx, referral.Registration{Customer: "ada", Code: link.Code.String()}, noon)
			require.NoError(t, err)
			quote, err := m.coupons.Quote(ctx, basket("ada"), coupon.ChooseCoupons(bound.Rewards[0].Coupons[0]), noon)
			require.NoError(t, err)
			_, err = m.coupons.Reserve(ctx, "o-1", quote, noon)
			require.NoError(t, err)

			later := m.rewrite(t, e, func(_ storage.Key, body map[string]json.RawMessage) {
				body["later"] = json.RawMessage(`{"kept":[1,"ü"]}`)
			})
			for _, statement := range []string{
				"ALTER TABLE vouch_docs ADD COLUMN later INTEGER",
				"INSERT INTO vouch_migrations (version, name, checksum) VALUES (9000, '9000_later.up.sql', 'x')",
			} {
				_, err := m.db.Exec(statement)
				require.NoError(t, err)
			}
			pay := referral.Payment{Order: "o-1", Customer: "ada", Amount: quote.Total}
			_, err = m.referrals.OrderPaid(ctx, pay, noon.Add(time.Hour))
			require.NoError(t, err)
			_, err = m.referrals.OrderReturned(ctx, referral.Return{
				ID: "r-1", Order: "o-1", Customer: "ada", Coupons: &coupon.RefundRequest{Everything: true},
			}, noon.Add(2*time.Hour))
			require.NoError(t, err)
			changed := 0
			for key, doc := range m.bodies(t) {
				before, written := later[key]
				if !written {
					continue // this release's own
				}
				if !bytes.Equal(before, doc) {
					changed++
				}
				require.Contains(t, string(doc), `"later":{"kept":[1,"ü"]}`, "%s", key)
			}
			require.Positive(t, changed, "this release has rewritten what the later one wrote")
			require.ErrorIs(t, m.store.Migrate(ctx), sqlstore.ErrNewerSchema, "at its next start it says so, and changes nothing")

			readable := m.bodies(t)
			newer := m.rewrite(t, e, func(_ storage.Key, body map[string]json.RawMessage) { body["format"] = json.RawMessage("99") })
			for name, call := range map[string]func() error{
				"Quote": func() error {
					_, err := m.coupons.Quote(ctx, basket("ada"), coupon.ChooseCoupons(bound.Rewards[0].Coupons[0]), noon.Add(3*time.Hour))
					return err
				},
				"Confirm":   func() error { _, err := m.coupons.Confirm(ctx, "o-1", noon.Add(3*time.Hour)); return err },
				"OrderPaid": func() error { _, err := m.referrals.OrderPaid(ctx, pay, noon.Add(3*time.Hour)); return err },
				"Refund": func() error {
					_, err := m.coupons.Refund(ctx, "o-1", coupon.RefundRequest{ID: "r-2", Everything: true}, noon.Add(3*time.Hour))
					return err
				},
			} {
				require.ErrorIs(t, call(), storage.ErrNewer, name)
			}
			require.Equal(t, newer, m.bodies(t), "what a newer release wrote is left as it is")
			m.rewrite(t, e, func(key storage.Key, body map[string]json.RawMessage) { // so that they can be audited
				require.NoError(t, json.Unmarshal(readable[key], &body))
			})
		})
	}
}

// bodies are all documents' bodies.
func (m *market) bodies(t *testing.T) map[storage.Key][]byte {
	t.Helper()
	rows, err := m.db.Query("SELECT kind, id, body FROM vouch_docs")
	require.NoError(t, err)
	defer rows.Close()
	bodies := make(map[storage.Key][]byte)
	for rows.Next() {
		var key storage.Key
		var body []byte
		require.NoError(t, rows.Scan(&key.Kind, &key.ID, &body))
		bodies[key] = body
	}
	require.NoError(t, rows.Err())
	return bodies
}

// rewrite changes all documents as another release would, and gives their bodies.
func (m *market) rewrite(t *testing.T, e Engine, change func(storage.Key, map[string]json.RawMessage)) map[storage.Key][]byte {
	t.Helper()
	set := "UPDATE vouch_docs SET body = ? WHERE kind = ? AND id = ?"
	if e.Dialect == sqlstore.PostgreSQL {
		set = "UPDATE vouch_docs SET body = $1 WHERE kind = $2 AND id = $3"
	}
	for key, body := range m.bodies(t) {
		members := make(map[string]json.RawMessage)
		require.NoError(t, json.Unmarshal(body, &members))
		change(key, members)
		body, err := json.Marshal(members)
		require.NoError(t, err)
		_, err = m.db.Exec(set, string(body), key.Kind, key.ID)
		require.NoError(t, err, fmt.Sprint(key))
	}
	return m.bodies(t)
}
