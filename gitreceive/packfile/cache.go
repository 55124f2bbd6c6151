package packfile

import (
	"bufio"
	"container/list"
	"sync"
)

// A Cache keeps objects that deltas are built on, up to a number of bytes, and
// what it takes to inflate. One serves any number of packs. It is safe for
// concurrent use.
type Cache struct {
	inflaters sync.Pool

	mu    sync.Mutex // guards what follows
	most  int64
	bytes int64
	order *list.List // of *cached, the most recently used first
	byKey map[cacheKey]*list.Element
}

type cacheKey struct {
	pack   *Pack
	offset int64
}

type cached struct {
	key     cacheKey
	content *content
}

// NewCache returns a cache of at most so many bytes.
func NewCache(most int64) *Cache {
	return &Cache{
		inflaters: sync.Pool{New: func() any {
			f := new(inflater)
			f.buffer = bufio.NewReaderSize(f, 8<<10)
			return f
		}},
		most:  most,
		order: list.New(),
		byKey: make(map[cacheKey]*list.Element),
	}
}

func (c *Cache) inflater() *inflater { return c.inflaters.Get().(*inflater) }

func (c *Cache) release(f *inflater) {
	f.file = nil
	c.inflaters.Put(f)
}

func (c *Cache) get(key cacheKey) *content {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).content
}

// put keeps a content that is in memory and not itself too large.
func (c *Cache) put(key cacheKey, content *content) {
	if content.file != nil || content.size > c.most/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[key]; ok {
		return
	}
	c.byKey[key] = c.order.PushFront(&cached{key, content})
	c.bytes += content.size + 256
	for c.bytes > c.most {
		c.remove(c.order.Back())
	}
}

func (c *Cache) remove(e *list.Element) {
	old := c.order.Remove(e).(*cached)
	delete(c.byKey, old.key)
	c.bytes -= old.content.size + 256
}

// forget drops what is kept of a pack.
func (c *Cache) forget(p *Pack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*cached).key.pack == p {
			c.remove(e)
		}
		e = next
	}
}
