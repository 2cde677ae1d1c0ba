package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// The states of an order.
const (
	awaiting = "awaiting" // its payment
	paid     = "paid"
	canceled = "canceled"
)

// order is what somebody buys.
type order struct {
	ID, Customer, State                 string
	Subtotal, Discount, Shipping, Total ledger.Money
	Created, Paid                       time.Time
}

var (
	errNoOrder   = errors.New("there is no such order")
	errEmptyCart = errors.New("the cart is empty")
	errDone      = errors.New("the order is paid or canceled already")
)

const orderColumns = `id, customer, state, subtotal, discount, shipping, total, created, paid`

func scanOrder(scan func(...any) error, o *order) error {
	var subtotal, discount, shipping, total, created, paidAt int64
	if err := scan(&o.ID, &o.Customer, &o.State, &subtotal, &discount, &shipping, &total, &created, &paidAt); err != nil {
		return err
	}
	o.Subtotal, o.Discount = ledger.Minor(subtotal, eur), ledger.Minor(discount, eur)
	o.Shipping, o.Total = ledger.Minor(shipping, eur), ledger.Minor(total, eur)
	o.Created = time.UnixMicro(created).UTC()
	if paidAt != 0 {
		o.Paid = time.UnixMicro(paidAt).UTC()
	}
	return nil
}

// findOrder finds an order of a customer's.
func (s *shop) findOrder(ctx context.Context, db querier, id, customer string) (o order, err error) {
	row := db.QueryRowContext(ctx, s.q(`SELECT `+orderColumns+` FROM shop_orders WHERE id = ? AND customer = ?`), id, customer)
	err = scanOrder(row.Scan, &o)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoOrder
	}
	return o, err
}

func (s *shop) ordersBy(ctx context.Context, customer string) ([]order, error) {
	return rows(ctx, s.db, func(r *sql.Rows, o *order) error { return scanOrder(r.Scan, o) },
		s.q(`SELECT `+orderColumns+` FROM shop_orders WHERE customer = ? ORDER BY created DESC`), customer)
}

// checkout makes the cart an order that awaits its payment, and holds what it uses of
// coupons meanwhile: in one transaction. Done again for a cart that was changed, it
// replaces both. It fails with a [*coupon.Refusal] or [*coupon.QuoteChanged] when the
// price shown no longer holds.
func (s *shop) checkout(ctx context.Context, who customer, cart, shown string) (order, error) {
	quote, err := s.quote(ctx, who, cart)
	if err != nil {
		return order{}, err
	}
	if quote == nil {
		return order{}, errEmptyCart
	}
	if shown != quote.Total.Amount() {
		return order{}, &coupon.QuoteChanged{Quoted: quote, Now: quote}
	}
	return s.place(ctx, who, orderID(cart), quote)
}

// place writes the order and reserves what its quote applies.
func (s *shop) place(ctx context.Context, who customer, id string, quote *coupon.Quote) (o order, err error) {
	now := s.now()
	err = s.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
		before, err := s.findOrder(ctx, tx, id, who.ID)
		switch {
		case err == nil && before.State != awaiting:
			o = before // another window has paid it
			return nil
		case err == nil:
			_, err = tx.ExecContext(ctx, s.q(`UPDATE shop_orders SET subtotal = ?, discount = ?, shipping = ?, total = ? WHERE id = ? AND state = 'awaiting'`),
				quote.Subtotal.Minor(), quote.Discount.Minor(), quote.Shipping.Minor(), quote.Total.Minor(), id)
		case errors.Is(err, errNoOrder):
			_, err = tx.ExecContext(ctx, s.q(`INSERT INTO shop_orders (id, customer, state, subtotal, discount, shipping, total, created) VALUES (?, ?, 'awaiting', ?, ?, ?, ?, ?)`),
				id, who.ID, quote.Subtotal.Minor(), quote.Discount.Minor(), quote.Shipping.Minor(), quote.Total.Minor(), now.UnixMicro())
		}
		if err != nil {
			return err
		}
		if _, err = s.coupons.In(store).Reserve(ctx, id, quote, now); err != nil {
			return err
		}
		o, err = s.findOrder(ctx, tx, id, who.ID)
		return err
	})
	return o, err
}

// pay records that the payment came: the order is paid, its coupons are used, and
// whoever invited the customer is on the way to a reward, all in one transaction.
// However often it is called, it happens once. It fails with a [*coupon.Lapsed] when
// the payment came so late that the discount is gone.
func (s *shop) pay(ctx context.Context, who customer, id string) (o order, err error) {
	now := s.now()
	err = s.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
		if o, err = s.findOrder(ctx, tx, id, who.ID); err != nil || o.State == paid {
			return err
		}
		changed, err := tx.ExecContext(ctx, s.q(`UPDATE shop_orders SET state = 'paid', paid = ? WHERE id = ? AND state = 'awaiting'`), now.UnixMicro(), id)
		if err != nil {
			return err
		}
		if n, err := changed.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errDone)
		}
		redemption, err := s.coupons.In(store).Redemption(ctx, id)
		if err != nil {
			return err
		}
		goods := ledger.Minor(0, eur) // shipping earns nobody anything
		for _, l := range redemption.Lines {
			goods = ledger.Minor(goods.Minor()+l.Total.Minor(), eur)
		}
		_, err = s.referrals.In(store).OrderPaid(ctx, referral.Payment{Order: id, Customer: who.ID, Amount: goods}, now)
		if err != nil {
			return err
		}
		o, err = s.findOrder(ctx, tx, id, who.ID)
		return err
	})
	return o, err
}

// payFull gives up the discount of an order whose reservation has lapsed: the order
// stands without it, and is paid.
func (s *shop) payFull(ctx context.Context, who customer, id string) (order, error) {
	cart := "k-" + id[len("o-"):]
	if err := s.choose(ctx, cart, func(c *choice) { *c = choice{} }); err != nil {
		return order{}, err
	}
	quote, err := s.quote(ctx, who, cart)
	if err != nil {
		return order{}, err
	}
	if quote == nil {
		return order{}, errEmptyCart
	}
	if _, err := s.place(ctx, who, id, quote); err != nil {
		return order{}, err
	}
	return s.pay(ctx, who, id)
}

// cancel gives up an order that is not paid, and gives its coupons back.
func (s *shop) cancel(ctx context.Context, who customer, id string) error {
	return s.store.InTx(ctx, func(tx *sql.Tx, store *sqlstore.Store) error {
		if _, err := s.findOrder(ctx, tx, id, who.ID); err != nil {
			return err
		}
		changed, err := tx.ExecContext(ctx, s.q(`UPDATE shop_orders SET state = 'canceled' WHERE id = ? AND state = 'awaiting'`), id)
		if err != nil {
			return err
		}
		if n, err := changed.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errDone)
		}
		_, err = s.coupons.In(store).Release(ctx, id, s.now())
		return err
	})
}

// giveBack records that units of a paid order came back. The id is the return's, so
// that a form sent twice gives back once.
func (s *shop) giveBack(ctx context.Context, who customer, id, returnID, line string, units int64) (referral.Settlement, error) {
	if o, err := s.findOrder(ctx, s.db, id, who.ID); err != nil || o.State != paid {
		return referral.Settlement{}, errors.Join(err, errNotPaid(o))
	}
	request := &coupon.RefundRequest{Lines: []coupon.Returned{{Line: line, Units: units}}}
	if line == "" {
		request = &coupon.RefundRequest{Everything: true}
	}
	return s.referrals.OrderReturned(ctx, referral.Return{
		ID: returnID, Order: id, Customer: who.ID, Coupons: request, Everything: line == "",
	}, s.now())
}

func errNotPaid(o order) error {
	if o.State == paid {
		return nil
	}
	return errors.New("only what was paid can be returned")
}
