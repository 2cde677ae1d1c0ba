// Package schema is the shop's, for ent to make its client from.
package schema

//go:generate go run -mod=mod entgo.io/ent/cmd/ent@v0.14.5 generate --feature sql/execquery .

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
)

// ShopOrder is an order.
type ShopOrder struct{ ent.Schema }

// Fields of an order.
func (ShopOrder) Fields() []ent.Field {
	return []ent.Field{field.String("id"), field.Int64("total")}
}
