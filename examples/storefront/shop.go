package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

const (
	program    = "invite" // the referral program's id
	staffEmail = "staff@kiosk.example"
	hold       = 15 * time.Minute // how long a checkout keeps its coupons through a payment
)

var eur = ledger.MustCurrency("EUR")

// shop is what a shop holds on to: its database, the services over it, and its clock.
type shop struct {
	db        *sql.DB
	dialect   sqlstore.Dialect
	store     *sqlstore.Store
	coupons   *coupon.Service
	referrals *referral.Service
	book      *ledger.Book
	limiter   *limiter
	ahead     atomic.Int64 // by how much the demonstration's clock is ahead, in nanoseconds
	key       []byte       // signs form tokens
	newStaff  bool         // the account of staff was made just now
}

func randomToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// connect opens the pool that a file name or URL asks for.
func connect(database string) (*sql.DB, sqlstore.Dialect, error) {
	switch scheme, _, _ := strings.Cut(database, "://"); scheme {
	case "postgres", "postgresql":
		db, err := sql.Open("pgx", database)
		return db, sqlstore.PostgreSQL, err
	case "mysql", "mariadb":
		u, err := url.Parse(database)
		if err != nil {
			return nil, "", err
		}
		config := mysql.NewConfig()
		config.Net, config.Addr, config.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		if u.Port() == "" {
			config.Addr = u.Host + ":3306"
		}
		config.User = u.User.Username()
		config.Passwd, _ = u.User.Password()
		config.InterpolateParams = true
		db, err := sql.Open("mysql", config.FormatDSN())
		return db, sqlstore.MySQL, err
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(database))
	return db, sqlstore.SQLite, err
}

// openShop opens the shop on a database, and furnishes it the first time.
func openShop(ctx context.Context, database, password string) (*shop, error) {
	db, dialect, err := connect(database)
	if err != nil {
		return nil, err
	}
	if dialect != sqlstore.SQLite {
		db.SetMaxOpenConns(24)
		db.SetMaxIdleConns(24)
	}
	s := &shop{db: db, dialect: dialect, limiter: newLimiter()}
	if err := s.furnish(ctx, password); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *shop) furnish(ctx context.Context, password string) (err error) {
	if s.store, err = sqlstore.New(s.db, s.dialect, sqlstore.Options{}); err != nil {
		return err
	}
	if err := s.store.Migrate(ctx, slices.Concat(ledger.Views(), coupon.Views(), referral.Views())...); err != nil {
		return err
	}
	s.coupons = coupon.New(s.store, coupon.Options{Hold: hold, Limiter: s.limiter, Settle: true})
	s.referrals = referral.New(s.store, s.coupons, referral.Options{})
	s.book = ledger.New(s.store, ledger.Options{Floors: coupon.Floors()})
	if err := s.createTables(ctx); err != nil {
		return err
	}
	if err := s.settings(ctx); err != nil {
		return err
	}
	return s.seed(ctx, password)
}

// settings reads what the shop keeps for itself: the key of its forms, and how far its
// clock is ahead.
func (s *shop) settings(ctx context.Context) error {
	key, err := s.setting(ctx, "form-key", randomToken())
	if err != nil {
		return err
	}
	s.key = []byte(key)
	ahead, err := s.setting(ctx, "clock-ahead", "0")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(ahead, 10, 64)
	if err != nil {
		return fmt.Errorf("the setting clock-ahead: %w", err)
	}
	s.ahead.Store(n)
	return nil
}

// now is the shop's clock: the time, and what staff have put it forward by to see what
// happens later.
func (s *shop) now() time.Time {
	return time.Now().Add(time.Duration(s.ahead.Load())).UTC().Truncate(time.Microsecond)
}

func (s *shop) putForward(ctx context.Context, d time.Duration) error {
	if d <= 0 || d > 366*24*time.Hour {
		return errors.New("the clock goes forward by a year at most")
	}
	ahead := s.ahead.Add(int64(d))
	_, err := s.db.ExecContext(ctx, s.q(`UPDATE shop_settings SET value = ? WHERE name = 'clock-ahead'`), strconv.FormatInt(ahead, 10))
	return err
}

// upkeep does what is due, in the background.
func (s *shop) upkeep(ctx context.Context) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		if err := s.settle(ctx); err != nil && ctx.Err() == nil {
			slog.Error("upkeep", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settle grants rewards whose hold is over and lets unpaid checkouts lapse.
func (s *shop) settle(ctx context.Context) error {
	now := s.now()
	_, err := s.referrals.Settle(ctx, now, 0)
	_, err2 := s.coupons.Sweep(ctx, now, 0)
	_, err3 := s.book.CloseMonths(ctx, now)
	return errors.Join(err, err2, err3)
}
