package coupon_test

import (
	"testing"

	"github.com/vouch-go/vouch/internal/wording/wordingtest"
)

func TestCatalogues(t *testing.T) { wordingtest.Catalogues(t) }
