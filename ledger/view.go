package ledger

import "github.com/vouch-go/vouch/storage"

// Views are the reporting views of this package: entries, one row for each
// document of one, and holds. Amounts are in minor units.
func Views() []storage.View {
	member := func(name string, t storage.ColumnType) storage.Column {
		return storage.Column{Name: name, Path: []string{name}, Type: t}
	}
	id := storage.Column{Name: "id", From: storage.FromID}
	who := []storage.Column{member("actor", storage.Text), member("subject", storage.Text), member("concerns", storage.Text)}
	return []storage.View{
		{Name: "entries", Kind: entryKind, Columns: append([]storage.Column{
			id, member("kind", storage.Text), member("at", storage.Instant), member("part", storage.Integer),
		}, who...)},
		{Name: "holds", Kind: holdKind, Columns: append([]storage.Column{
			id, {Name: "account", Path: []string{"from"}}, member("minor", storage.Integer), member("currency", storage.Text),
			member("state", storage.Text), member("at", storage.Instant), member("until", storage.Instant),
			{Name: "posted_to", Path: []string{"to"}}, member("posted", storage.Integer),
		}, who...)},
	}
}
