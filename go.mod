module github.com/vouch-go/vouch

go 1.24

require (
	github.com/shopspring/decimal v1.5.0 // indirect
	github.com/stretchr/testify v1.10.0 // indirect
	golang.org/x/text v0.21.0 // indirect
	pgregory.net/rapid v1.2.0 // indirect
)
