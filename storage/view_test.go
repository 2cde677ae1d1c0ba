package storage_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

func TestViewValidate(t *testing.T) {
	good := storage.View{Name: "coupons", Kind: "coupon", Columns: []storage.Column{
		{Name: "id", From: storage.FromID},
		{Name: "max", Path: []string{"terms", "max_2"}, Type: storage.Integer},
		{Name: "due", From: storage.FromDue, Type: storage.Instant},
		{Name: "version", From: storage.FromVersion, Type: storage.Integer},
	}}
	require.NoError(t, good.Validate())

	bad := storage.View{Name: "Coupons", Columns: []storage.Column{
		{Name: "id"},
		{Name: "id", From: storage.FromID, Path: []string{"id"}},
		{Name: "1st; DROP", Path: []string{"a'b", "Title", ""}},
		{Name: strings.Repeat("c", 31), From: storage.FromDue},
	}}
	err := bad.Validate()
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, fault := range []string{
		`view "Coupons": `, `name "Coupons" does not match`, "has an empty kind",
		`column "id": a path is for a member`, `column "id" occurs twice`, `column "1st; DROP" does not match`,
		`member "a'b" does not match`, `member "Title" does not match`, `member "" does not match`,
		`column "` + strings.Repeat("c", 31) + `" does not match`,
	} {
		assert.ErrorContains(t, err, fault)
	}
	assert.ErrorContains(t, storage.View{Name: strings.Repeat("n", 25), Kind: "k"}.Validate(), "no columns")
}

func TestViewPrefixed(t *testing.T) {
	view := storage.View{Name: "coupons", Kind: "coupon", Columns: []storage.Column{{Name: "id", From: storage.FromID}}}
	tenants := view.Prefixed("shop7/", "shop7_coupons")
	require.NoError(t, tenants.Validate())
	assert.Equal(t, "shop7/coupon", tenants.Kind)
	assert.Equal(t, "shop7_coupons", tenants.Name)
	assert.Equal(t, "coupons", view.Name)
}
