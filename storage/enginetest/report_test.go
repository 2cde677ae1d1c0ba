package enginetest

import (
	"cmp"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// TestReport joins a shop's orders with the views, in one query that is the same on
// every engine and gives the same on each.
func TestReport(t *testing.T) {
	query, err := os.ReadFile("testdata/report.sql")
	require.NoError(t, err)
	want, err := os.ReadFile("testdata/report.txt")
	require.NoError(t, err)
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			m := openMarket(t, e)
			m.sellToFriends(t)
			rows, err := m.db.Query(string(query))
			require.NoError(t, err)
			defer rows.Close()
			var report strings.Builder
			table := tabwriter.NewWriter(&report, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "ORDER\tTOTAL\tDISCOUNT\tREFUNDED\tREFERRAL\tREFERRER\tREWARD")
			for rows.Next() {
				var cells [7]sql.NullString
				require.NoError(t, rows.Scan(&cells[0], &cells[1], &cells[2], &cells[3], &cells[4], &cells[5], &cells[6]))
				var row []string
				for _, cell := range cells {
					row = append(row, cmp.Or(cell.String, "-")) // NULL
				}
				fmt.Fprintln(table, strings.Join(row, "\t"))
			}
			require.NoError(t, rows.Err())
			require.NoError(t, table.Flush())
			require.Equal(t, string(want), report.String())
		})
	}
}

// sellToFriends lets Jane's friends buy: Ada, Ben, who sends everything back, and
// Cleo, whose return window is open; Dan has nobody to thank, and no coupon.
func (m *market) sellToFriends(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	program := referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome"}}, coupon.IssueOffer{Offer: "friend"})
	program.Hold = 2 * time.Hour
	_, err := m.referrals.Publish(ctx, program, "staff", noon)
	require.NoError(t, err)
	link, err := m.referrals.Link(ctx, "invite", "jane", noon)
	require.NoError(t, err)
	for i, friend := range []string{"ada", "ben", "cleo", "dan"} {
		now, order := noon.Add(time.Duration(i)*time.Hour), "order-"+friend
		var welcome []string
		if friend != "dan" {
			bound, err := m.referrals.Register(ctx, referral.Registration{Customer: friend, Code: link.Code.String()}, now)
			require.NoError(t, err)
			welcome = bound.Rewards[0].Coupons
		}
		quote, err := m.coupons.Quote(ctx, basket(friend), coupon.ChooseCoupons(welcome...), now)
		require.NoError(t, err)
		require.NoError(t, m.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO shop_orders (id, total) VALUES ('%s', %d)", order, quote.Total.Minor())); err != nil {
				return err
			}
			if len(quote.Applied()) == 0 {
				return nil
			}
			_, err := m.coupons.In(store).Reserve(ctx, order, quote, now)
			return err
		}))
		_, err = m.referrals.OrderPaid(ctx, referral.Payment{Order: order, Customer: friend, Amount: quote.Total}, now)
		require.NoError(t, err)
	}
	_, err = m.referrals.OrderReturned(ctx, referral.Return{
		ID: "r-1", Order: "order-ben", Customer: "ben", Coupons: &coupon.RefundRequest{Everything: true},
	}, noon.Add(90*time.Minute))
	require.NoError(t, err)
	_, err = m.referrals.Settle(ctx, noon.Add(3*time.Hour), 0)
	require.NoError(t, err)
}
