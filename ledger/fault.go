package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

const (
	faultKind    = "fault"
	openFaults   = "open"      // the list of the faults not yet resolved, at the next attempt
	maxFaultText = 1000        // bytes of a message that are kept
	firstBackoff = time.Minute // then twice as long each time
	lastBackoff  = 24 * time.Hour
)

// Fault is why a document that is due could not be handled, and when it will be
// tried again.
type Fault struct {
	Key      storage.Key // the document
	Attempts int         // how often it has failed in a row
	Message  string      // of the last failure, at most 1,000 bytes
	Until    time.Time   // the next attempt
}

// OpenFaults is a page of the documents that sweeps have put off and that have
// not succeeded since, the next to be tried first. Pass the cursor on to get the
// following page; the last page's is empty. limit 0 is 100, at most 1,000.
func OpenFaults(ctx context.Context, store storage.Store, after storage.Cursor, limit int) ([]Fault, storage.Cursor, error) {
	page, err := store.List(ctx, storage.Query{Kind: faultKind, List: openFaults, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	faults := make([]Fault, len(page.Docs))
	for i, doc := range page.Docs {
		record, err := faultCodec.Decode(doc)
		if err != nil {
			return nil, "", err
		}
		faults[i] = record.Value.fault()
	}
	return faults, page.Next, nil
}

// faultBody is kept under an id that follows from the document's. It is never
// dropped: the document may fail again, and an id that is dropped is not made
// anew.
type faultBody struct {
	Kind     string `json:"kind"`
	ID       string `json:"id"`
	Attempts int    `json:"attempts"` // 0: resolved
	Message  string `json:"message"`
	Until    int64  `json:"until"` // unix microseconds
}

var faultCodec = storage.NewCodec[faultBody](1)

func (b faultBody) fault() Fault {
	return Fault{storage.Key{Kind: b.Kind, ID: b.ID}, b.Attempts, b.Message, time.UnixMicro(b.Until).UTC()}
}

type faultRecord struct{ storage.Record[faultBody] }

// next is the record after one more failure.
func (r faultRecord) next(key storage.Key, now time.Time, cause error) faultRecord {
	attempts := r.Value.Attempts + 1
	r.Key = faultKey(key)
	r.Value = faultBody{key.Kind, key.ID, attempts, faultText(cause), now.Add(backoff(attempts)).UnixMicro()}
	return r
}

func (r faultRecord) put() (storage.Put, error) {
	return faultCodec.Put(r.Record, 0, storage.Listing{List: openFaults, Place: r.Value.Until})
}

func (r faultRecord) resolved() (storage.Put, error) {
	r.Value.Attempts = 0
	return faultCodec.Put(r.Record, 0)
}

// readFaults reads the faults of these documents, as far as they have any.
func readFaults(ctx context.Context, store storage.Store, docs []storage.Doc) (map[storage.Key]faultRecord, error) {
	keys := make([]storage.Key, len(docs))
	for i, doc := range docs {
		keys[i] = faultKey(doc.Key)
	}
	found, _, err := store.Get(ctx, keys)
	if err != nil {
		return nil, err
	}
	return faultsIn(found)
}

// faultsIn are the faults among documents, by the document that failed.
func faultsIn(docs []storage.Doc) (map[storage.Key]faultRecord, error) {
	faults := make(map[storage.Key]faultRecord)
	for _, doc := range docs {
		if doc.Key.Kind != faultKind {
			continue
		}
		record, err := faultCodec.Decode(doc)
		if err != nil {
			return nil, err
		}
		faults[storage.Key{Kind: record.Value.Kind, ID: record.Value.ID}] = faultRecord{record}
	}
	return faults, nil
}

func faultKey(k storage.Key) storage.Key {
	id := k.String()
	if len(id) > storage.MaxID {
		sum := sha256.Sum256([]byte(id))
		id = k.Kind + "/" + hex.EncodeToString(sum[:])
	}
	return storage.Key{Kind: faultKind, ID: id}
}

// faultText is the message in a form that every store can keep.
func faultText(cause error) string {
	text := cause.Error()
	text = strings.ToValidUTF8(text[:min(len(text), maxFaultText)], "")
	return strings.ReplaceAll(text, "\x00", "")
}

// backoff is how long to wait after so many failures in a row.
func backoff(attempts int) time.Duration {
	if attempts > 11 { // a minute, eleven times doubled, is more than a day
		return lastBackoff
	}
	return min(firstBackoff<<(attempts-1), lastBackoff)
}
