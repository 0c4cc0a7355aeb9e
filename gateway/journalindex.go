package gateway

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
)

// An index says where in a journal file the records of a request stand:
//
//	magic [8]byte · size of the journal file int64 · latest expiry int64 µs
//	entries × (hash of the id uint64 · offset uint32), sorted
//	crc32c uint32 of all before
//
// little-endian. It holds nothing that the journal does not: one that is
// missing or does not check is made again. In memory stays the hash of each
// fenceEvery-th entry (8 bytes for 256 answers), so that a lookup reads one
// block of 3 KiB of each index, the newest first.

const (
	indexMagic = "flindex1"
	indexHead  = 24
	entrySize  = 12
	fenceEvery = 256
)

// indexEntry is one record's place.
type indexEntry struct {
	hash uint64
	at   uint32
}

// idHash spreads ids. Callers may choose their ids, so it is one in which
// nobody finds many with the same value.
func idHash(id []byte) uint64 {
	sum := sha256.Sum256(id)
	return binary.LittleEndian.Uint64(sum[:])
}

// freshIndex is that of the file being written.
type freshIndex struct {
	newest  int64
	entries []indexEntry // in the order of the file
	before  []int32      // of each entry, the one before it with the same hash; -1: none
	last    map[uint64]int32
}

// add takes in what was written at an offset of the file.
func (x *freshIndex) add(raw []byte, base int64) {
	if x.last == nil {
		x.last = map[uint64]int32{}
	}
	_, _ = records(raw, func(at int64, kind byte, body []byte) { // what is torn is not in the file
		id, expires, ok := recordKey(kind, body)
		if at += base; !ok || at > math.MaxUint32 {
			return
		}
		h := idHash(id)
		before, ok := x.last[h]
		if !ok {
			before = -1
		}
		x.last[h] = int32(len(x.entries))
		x.entries = append(x.entries, indexEntry{h, uint32(at)})
		x.before = append(x.before, before)
		x.newest = max(x.newest, expires)
	})
}

// find gives the offsets of a hash, the latest first.
func (x *freshIndex) find(h uint64) (at []uint32) {
	i, ok := x.last[h]
	for ok && i >= 0 {
		at = append(at, x.entries[i].at)
		i = x.before[i]
	}
	return at
}

// sealedFile is a journal file that is written no more.
type sealedFile struct {
	journal, path string // path of the index
	size          int64  // of both files
	newest        int64  // µs: after that nothing in it is of use
	index         *os.File
	entries       int
	fence         []uint64
	held          []indexEntry // the index, where it could not be written
}

// openSealed opens a file of an earlier start, with its index.
func (j *journal) openSealed(seq int64) (*sealedFile, error) {
	info, err := os.Stat(j.path(seq, "journal"))
	if err != nil {
		return nil, err
	}
	s, err := j.readIndex(seq, info.Size())
	if err == nil {
		return s, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		j.log.Warn("an index of the decision journal is made again", "error", err)
	}
	raw, err := readUpTo(j.path(seq, "journal"), maxJournalFile)
	if err != nil {
		return nil, err
	}
	var x freshIndex
	x.add(raw, 0)
	if good, err := records(raw, func(int64, byte, []byte) {}); err != nil {
		j.log.Warn("a journal file ends early; what stands before is used", "file", j.path(seq, "journal"), "bytes", good, "error", err)
	}
	s, err = j.writeIndex(seq, info.Size(), &x)
	if err != nil {
		j.log.Error("an index of the decision journal could not be written", "error", err)
	}
	return s, nil
}

// writeIndex makes the index of a file. With an error, it is held in memory.
func (j *journal) writeIndex(seq, size int64, x *freshIndex) (*sealedFile, error) {
	entries := slices.Clone(x.entries)
	slices.SortFunc(entries, func(a, b indexEntry) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
	b := make([]byte, 0, indexHead+len(entries)*entrySize+4)
	b = append(b, indexMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(size))
	b = binary.LittleEndian.AppendUint64(b, uint64(x.newest))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint64(b, e.hash)
		b = binary.LittleEndian.AppendUint32(b, e.at)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	s := &sealedFile{journal: j.path(seq, "journal"), path: j.path(seq, "index"), size: size, newest: x.newest}
	tmp := s.path + ".tmp"
	err := os.WriteFile(tmp, b, 0o600)
	if err == nil {
		err = os.Rename(tmp, s.path)
	}
	if err == nil {
		err = s.open(b)
	}
	if err != nil {
		s.held = entries
	}
	return s, err
}

func (j *journal) readIndex(seq, size int64) (*sealedFile, error) {
	s := &sealedFile{journal: j.path(seq, "journal"), path: j.path(seq, "index"), size: size}
	b, err := readUpTo(s.path, maxJournalFile)
	if err != nil {
		return nil, err
	}
	n := len(b) - 4
	if n < indexHead || (n-indexHead)%entrySize != 0 || string(b[:8]) != indexMagic ||
		binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return nil, fmt.Errorf("%s: damaged", s.path)
	}
	if int64(binary.LittleEndian.Uint64(b[8:])) != size {
		return nil, fmt.Errorf("%s: of another journal file", s.path)
	}
	s.newest = int64(binary.LittleEndian.Uint64(b[16:]))
	return s, s.open(b)
}

// open readies lookups in an index, of which b is the content.
func (s *sealedFile) open(b []byte) (err error) {
	s.size += int64(len(b))
	s.entries = (len(b) - 4 - indexHead) / entrySize
	for i := 0; i < s.entries; i += fenceEvery {
		s.fence = append(s.fence, entryAt(b[indexHead:], i).hash)
	}
	s.index, err = os.Open(s.path)
	return err
}

func entryAt(b []byte, i int) indexEntry {
	b = b[i*entrySize:]
	return indexEntry{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])}
}

// find gives the offsets of a hash, the latest first.
func (s *sealedFile) find(h uint64, buf []byte) (at []uint32, err error) {
	if s.index == nil {
		i, _ := slices.BinarySearchFunc(s.held, h, func(e indexEntry, h uint64) int { return cmp.Compare(e.hash, h) })
		for ; i < len(s.held) && s.held[i].hash == h; i++ {
			at = append(at, s.held[i].at)
		}
		slices.Reverse(at)
		return at, nil
	}
	// The first block that begins with h or more may be preceded by one that
	// ends with h.
	block, _ := slices.BinarySearch(s.fence, h)
	for i := max(block-1, 0) * fenceEvery; i < s.entries; i += fenceEvery {
		n := min(fenceEvery, s.entries-i)
		if _, err := s.index.ReadAt(buf[:n*entrySize], int64(indexHead+i*entrySize)); err != nil {
			return nil, err
		}
		for k := range n {
			switch e := entryAt(buf, k); {
			case e.hash == h:
				at = append(at, e.at)
			case e.hash > h:
				slices.Reverse(at)
				return at, nil
			}
		}
	}
	slices.Reverse(at)
	return at, nil
}

func (s *sealedFile) close() {
	if s.index != nil {
		_ = s.index.Close() // it was only read
		s.index = nil
	}
}

func (s *sealedFile) remove() error {
	s.close()
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(s.journal)
}

// find looks for the latest decision of a request id, and for the metrics of it
// that have counted. Where something cannot be read that may say so nothing is
// found, lest a metric count twice.
func (j *journal) find(id string) (k kept, counted []string, ok bool) {
	j.io.Lock()
	defer j.io.Unlock()
	j.flushLocked() // so that all is in the files
	k, counted, ok, err := j.findLocked(id)
	if sec := j.now() / 1e6; err != nil && sec != j.lastFail {
		j.lastFail = sec
		j.log.Warn("the decision journal cannot be read; feedback is taken for that of an unknown request", "request", id, "error", err)
	}
	return k, counted, ok && err == nil
}

func (j *journal) findLocked(id string) (k kept, counted []string, ok bool, err error) {
	h := idHash([]byte(id))
	buf := make([]byte, max(4096, fenceEvery*entrySize))
	look := func(f io.ReaderAt, at []uint32) (bool, error) {
		for _, at := range at {
			kind, body, err := readRecord(f, int64(at), buf)
			if err != nil {
				return false, err
			}
			if name, _, ok := recordKey(kind, body); !ok || string(name) != id {
				continue
			}
			if kind == kindFeedback { // later than its decision, so it is met first
				_, metrics, _ := readFeedback(body)
				counted = append(counted, metrics...)
				continue
			}
			if k, ok = readDecision(body); ok {
				return true, nil
			}
		}
		return false, nil
	}
	if j.file != nil {
		if ok, err := look(j.file, j.fresh.find(h)); ok || err != nil {
			return k, counted, ok, err
		}
	}
	for _, s := range slices.Backward(j.sealed) {
		at, err := s.find(h, buf)
		if err == nil && len(at) > 0 {
			ok, err = s.read(func(f io.ReaderAt) (bool, error) { return look(f, at) })
		}
		if ok || err != nil {
			return k, counted, ok, err
		}
	}
	return kept{}, nil, false, nil
}

// read hands the journal file to f.
func (s *sealedFile) read(f func(io.ReaderAt) (bool, error)) (bool, error) {
	file, err := os.Open(s.journal)
	if err != nil {
		return false, err
	}
	defer file.Close()
	return f(file)
}

// readUpTo reads a file that is no larger than limit.
func readUpTo(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: larger than any such file", path)
	}
	b := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = b.ReadFrom(f)
	return b.Bytes(), err
}
