package enginetest

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
)

// services are what a shop has over one store.
type services struct {
	store     storage.Store
	coupons   *coupon.Service
	referrals *referral.Service
	book      *ledger.Book
}

// serve makes codes of what random gives; nil: of what no two get alike.
func serve(store storage.Store, random io.Reader) services {
	coupons := coupon.New(store, coupon.Options{Fresh: -1, Random: random})
	return services{
		store, coupons,
		referral.New(store, coupons, referral.Options{Events: true, Random: random}),
		ledger.New(store, ledger.Options{Floors: []ledger.Floor{{Prefix: "credit/"}}}),
	}
}

// operation is a write operation of the library, where it has something to do.
type operation struct {
	prepare func(ctx context.Context, s services) error // what opened does not; nil: nothing
	// ready reads what asking needs. It writes nothing.
	ready func(ctx context.Context, s services) (asking, error)
}

// asking is an operation about to be asked for.
type asking struct {
	// ask asks. A sweep that failed is asked again at a later instant, all else at noon.
	ask func(ctx context.Context, s services, at time.Time) (any, error)

	// other asks for something else under the same key, which is refused with
	// ledger.ErrKeyReused; nil: there is no key.
	other func(ctx context.Context, s services) error

	// goesOn says that it is done in steps, and goes on where it was stopped.
	goesOn bool

	// outcome is what a sweep has come to in the end, whatever it was put off by; nil:
	// asking again gives the same answer and leaves the same documents.
	outcome func(ctx context.Context, s services) (any, error)
}

// opened makes what all operations have: offers, a program, and coupons of jane's.
func opened(ctx context.Context, s services) error {
	eur5 := coupon.Amounts{ledger.MustMoney("5.00", eur)}
	limited := coupon.Offer{ID: "cap", Name: "cap", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}, Limits: []coupon.Limit{{Uses: 1}}}
	held := coupon.Offer{ID: "own", Name: "own", Benefit: coupon.AmountOff{Amounts: eur5}}
	for _, o := range []coupon.Offer{limited, held} {
		o.Combine.Freely = true
		if _, err := s.coupons.Publish(ctx, o, "staff", noon); err != nil {
			return err
		}
	}
	program := referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "own"}}, coupon.IssueOffer{Offer: "own"})
	if _, err := s.referrals.Publish(ctx, program, "staff", noon); err != nil {
		return err
	}
	for _, request := range []coupon.IssueRequest{
		{ID: "public", Offers: []coupon.IssueOffer{{Offer: "cap", Code: "CAP"}}},
		{ID: "jane", Holder: "jane", Offers: []coupon.IssueOffer{{Offer: "own"}}},
	} {
		if _, err := s.coupons.Issue(ctx, request, noon); err != nil {
			return err
		}
	}
	return nil
}

// always is an operation that need read nothing.
func always(a asking) func(context.Context, services) (asking, error) {
	return func(context.Context, services) (asking, error) { return a, nil }
}

// only gives the error of a call with an answer.
func only[A any](_ A, err error) error { return err }

// operations are by what a program calls, and of one that does different things by
// what it does.
func operations() map[string]operation {
	all := make(map[string]operation)
	for _, some := range []map[string]operation{couponOperations(), creditOperations(), staffOperations(), referralOperations(), peopleOperations(), ledgerOperations()} {
		maps.Copy(all, some)
	}
	return all
}

// readers are the exported functions that write nothing to a store.
var readers = []string{
	"coupon.Audit", "coupon.AuditAt", "coupon.New",
	"coupon.Service.Batch", "coupon.Service.Codes", "coupon.Service.Coupon", "coupon.Service.Credit", "coupon.Service.In", "coupon.Service.Through", "coupon.Service.Exclusions", "coupon.Service.Offer", "coupon.Service.Offers", "coupon.Service.Status",
	"coupon.Service.Quote", "coupon.Service.Redemption", "coupon.Service.Statement", "coupon.Service.StockCoupons", "coupon.Service.StockLeft", "coupon.Service.StockLoad", "coupon.Service.Wallet",
	"ledger.Audit", "ledger.AuditAt", "ledger.Journal", "ledger.New", "ledger.OpenFaults",
	"ledger.Book.Balance", "ledger.Book.Entry", "ledger.Book.Explain", "ledger.Book.In", "ledger.Book.Statement",
	"referral.Audit", "referral.AuditAt", "referral.New",
	"referral.Service.Analyze", "referral.Service.Caps", "referral.Service.Case", "referral.Service.CaseStats", "referral.Service.Cases",
	"referral.Service.NextDeadline", "referral.Service.Overdue", "referral.Service.Timeline", "referral.Service.WhatIf",
	"referral.Service.Export", "referral.Service.FindSubject", "referral.Service.Friends", "referral.Service.In", "referral.Service.Program",
	"referral.Service.Referral", "referral.Service.Rewards", "referral.Service.Status",
}

// TestEveryOperationIsUnderFire: whatever takes a store, or is a method of what keeps
// one, is known to read only or is an operation of these tests.
func TestEveryOperationIsUnderFire(t *testing.T) {
	covered := make(map[string]bool)
	for _, name := range readers {
		covered[name] = true
	}
	for name := range operations() {
		function, _, _ := strings.Cut(name, ", ")
		covered[function] = true
	}
	require.Equal(t, slices.Sorted(maps.Keys(covered)), exported(t, "coupon", "ledger", "referral"),
		"give a new operation a scenario in operations(), or name it among readers")
}

// exported are the functions of packages that are given a store, and the methods of
// their Service and Book.
func exported(t *testing.T, packages ...string) []string {
	t.Helper()
	var names []string
	for _, name := range packages {
		files, err := filepath.Glob(filepath.Join("..", "..", name, "*.go"))
		require.NoError(t, err)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			for _, declared := range file.Decls {
				if f, ok := declared.(*ast.FuncDecl); ok && f.Name.IsExported() {
					if owner, keeps := keeper(f); keeps {
						names = append(names, name+"."+owner+f.Name.Name)
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

func keeper(f *ast.FuncDecl) (owner string, keeps bool) {
	if f.Recv == nil {
		return "", slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool {
			selector, ok := p.Type.(*ast.SelectorExpr)
			return ok && selector.Sel.Name == "Store"
		})
	}
	pointer, ok := f.Recv.List[0].Type.(*ast.StarExpr)
	if !ok {
		return "", false
	}
	name := pointer.X.(*ast.Ident).Name
	return name + ".", name == "Service" || name == "Book"
}
