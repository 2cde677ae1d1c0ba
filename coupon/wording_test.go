package coupon_test

import (
	"testing"

	"github.com/vouch-go/vouch/coupon/wording/wordingtest"
)

func TestCatalogues(t *testing.T) { wordingtest.Catalogues(t) }
