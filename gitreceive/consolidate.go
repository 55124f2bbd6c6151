package gitreceive

import (
	"log/slog"
	"sync"
)

type consolidator struct {
	store  *Store
	logger *slog.Logger
	wg     sync.WaitGroup
}

func newConsolidator(store *Store, logger *slog.Logger) *consolidator {
	return &consolidator{store: store, logger: logger}
}

func (c *consolidator) stop() { c.wg.Wait() }
