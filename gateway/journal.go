package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// journal keeps decisions (and which of their metrics have counted) so that
// feedback finds them after the process was killed. Records are gathered in
// memory and written by flush, every 50 ms under Run; a kill loses at most
// that. It is written to the operating system, not forced to the disk: what a
// power cut takes is evidence, never state.
//
// A file is a sequence of records
//
//	length uint32 · crc32c uint32 of what follows · kind byte · body
//
// little-endian, strings and numbers as in varint.go of encoding/binary. A
// reader stops at the first record that does not check.
type journal struct {
	dir              string
	segment, total   int64
	log              *slog.Logger
	dropped, written atomic.Int64

	mu  sync.Mutex
	buf []byte // guarded by mu; never longer than maxJournalBuffer

	io    sync.Mutex // one writer; taken before mu
	spare []byte
	file  *os.File
	size  int64
	seq   int64 // of file

	failing bool // the last flush failed
}

const (
	maxJournalBuffer = 16 << 20
	maxRecord        = 1 << 20
	recordHead       = 8
	kindDecision     = 1
	kindFeedback     = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openJournal(dir string, segment, total int64, log *slog.Logger) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the decision journal: %w", err)
	}
	j := &journal{dir: dir, segment: segment, total: total, log: log}
	segs, err := j.segments()
	if err != nil {
		return nil, err
	}
	if n := len(segs); n > 0 {
		j.seq = segs[n-1].seq
	}
	return j, nil // the first flush opens a new file: an old one may have a torn tail
}

type segmentFile struct {
	path string
	seq  int64
	size int64
}

// segments in order of age, oldest first.
func (j *journal) segments() ([]segmentFile, error) {
	names, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("the decision journal: %w", err)
	}
	var out []segmentFile
	for _, e := range names {
		base, ok := strings.CutSuffix(e.Name(), ".journal")
		seq, err := strconv.ParseInt(base, 10, 64)
		info, ierr := e.Info()
		if !ok || err != nil || ierr != nil || !info.Mode().IsRegular() {
			continue
		}
		out = append(out, segmentFile{filepath.Join(j.dir, e.Name()), seq, info.Size()})
	}
	slices.SortFunc(out, func(a, b segmentFile) int { return int(a.seq - b.seq) })
	return out, nil
}

// add appends one record to the buffer. When the disk cannot keep up records
// are dropped and counted: callers never wait for it.
func (j *journal) add(kind byte, body func([]byte) []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.buf) > maxJournalBuffer {
		j.dropped.Add(1)
		return
	}
	at := len(j.buf)
	j.buf = append(j.buf, 0, 0, 0, 0, 0, 0, 0, 0, kind)
	j.buf = body(j.buf)
	rec := j.buf[at+recordHead:]
	if len(rec) > maxRecord {
		j.buf = j.buf[:at]
		j.dropped.Add(1)
		return
	}
	binary.LittleEndian.PutUint32(j.buf[at:], uint32(len(rec)))
	binary.LittleEndian.PutUint32(j.buf[at+4:], crc32.Checksum(rec, castagnoli))
}

func (j *journal) decision(d *decision) {
	j.add(kindDecision, func(b []byte) []byte { return appendDecision(b, d) })
}

func (j *journal) feedback(id string, metrics []string) {
	j.add(kindFeedback, func(b []byte) []byte {
		b = appendString(b, id)
		b = binary.AppendUvarint(b, uint64(len(metrics)))
		for _, m := range metrics {
			b = appendString(b, m)
		}
		return b
	})
}

// flush writes what has gathered.
func (j *journal) flush() {
	j.io.Lock()
	defer j.io.Unlock()
	err := j.flushLocked()
	was := j.failing
	j.failing = err != nil
	switch {
	case err != nil && !was: // once, not at each of 20 attempts a second
		j.log.Error("the decision journal could not be written; feedback for these answers will not survive a restart", "error", err)
	case err == nil && was:
		j.log.Info("the decision journal can be written again")
	}
}

func (j *journal) flushLocked() error {
	j.mu.Lock()
	out := j.buf
	j.buf = j.spare[:0]
	j.spare = nil
	j.mu.Unlock()
	if cap(out) <= 1<<20 {
		defer func() { j.spare = out[:0] }()
	}
	if len(out) == 0 {
		return nil
	}
	if j.file != nil && j.size >= j.segment {
		if err := j.file.Close(); err != nil {
			j.log.Warn("closing a journal file failed", "error", err)
		}
		j.file = nil
	}
	if j.file == nil {
		if err := j.rotate(); err != nil {
			j.dropped.Add(1)
			return err
		}
	}
	n, err := j.file.Write(out)
	j.size += int64(n)
	j.written.Add(int64(n))
	if err != nil {
		// A half-written record would hide those after it: go on in a new file.
		_ = j.file.Close()
		j.file = nil
		j.dropped.Add(1)
	}
	return err
}

// rotate opens the next file and deletes the oldest beyond the total.
func (j *journal) rotate() error {
	segs, err := j.segments()
	if err != nil {
		return err
	}
	var sum int64
	for i := len(segs) - 1; i >= 0; i-- {
		if sum += segs[i].size; sum > j.total-j.segment {
			if err := os.Remove(segs[i].path); err != nil {
				return err
			}
		}
	}
	j.seq++
	f, err := os.OpenFile(filepath.Join(j.dir, fmt.Sprintf("%016d.journal", j.seq)), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	j.file, j.size = f, 0
	return nil
}

func (j *journal) close() error {
	j.io.Lock()
	defer j.io.Unlock()
	err := j.flushLocked()
	if j.file != nil {
		err = errors.Join(err, j.file.Sync(), j.file.Close())
		j.file = nil
	}
	return err
}

// replay hands over every record that checks, oldest first, and deletes files
// in which keep found nothing of use.
func (j *journal) replay(apply func(kind byte, body []byte) (useful bool)) error {
	segs, err := j.segments()
	if err != nil {
		return err
	}
	for _, s := range segs {
		n, useful, err := replayFile(s.path, apply)
		if err != nil {
			j.log.Warn("a journal file ends early; what stands before is used", "file", s.path, "records", n, "error", err)
		}
		if !useful {
			if err := os.Remove(s.path); err != nil {
				return fmt.Errorf("the decision journal: %w", err)
			}
		}
	}
	return nil
}

func replayFile(path string, apply func(byte, []byte) bool) (n int, useful bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, true, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 1<<30))
	if err != nil {
		return 0, true, err
	}
	for len(raw) > 0 {
		if len(raw) < recordHead {
			return n, useful, errors.New("torn record")
		}
		size := int64(binary.LittleEndian.Uint32(raw))
		if size < 1 || size > maxRecord || size > int64(len(raw)-recordHead) {
			return n, useful, errors.New("torn record")
		}
		rec := raw[recordHead : recordHead+size]
		if crc32.Checksum(rec, castagnoli) != binary.LittleEndian.Uint32(raw[4:]) {
			return n, useful, errors.New("damaged record")
		}
		if apply(rec[0], rec[1:]) {
			useful = true
		}
		raw = raw[recordHead+size:]
		n++
	}
	return n, useful, nil
}
