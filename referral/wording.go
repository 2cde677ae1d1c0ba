package referral

import (
	"embed"

	"github.com/vouch-go/vouch/coupon/wording"
)

//go:embed languages/*.json
var languages embed.FS

// wordings are the catalogues of what customers are told: languages/<tag>.json.
var wordings = wording.New(languages)
