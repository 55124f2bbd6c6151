package systemd

import (
	"io"
	"log/slog"
)

// NewLogHandlerAt is NewLogHandler with the environment as parameters.
func NewLogHandlerAt(stderr io.Writer, stream, socket string) slog.Handler {
	return newLogHandler(stderr, stream, socket)
}

// Messages returns the catalogued messages and their IDs.
func Messages() map[string]string {
	all := make(map[string]string)
	for _, m := range messages() {
		all[m.text] = m.id
	}
	return all
}

// EncodeEntry returns what the journal is sent for a message with one attribute.
func EncodeEntry(message, key, value string) []byte {
	return encodeEntry(&entry{message: message, fields: []field{{key, value}}})
}
