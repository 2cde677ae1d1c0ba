module github.com/vouch-go/vouch/examples

go 1.25.0

require github.com/vouch-go/vouch v0.0.0

replace github.com/vouch-go/vouch => ../
