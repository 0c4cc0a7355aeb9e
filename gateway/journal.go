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
// feedback finds them when memory does not hold them any more: after hours, or
// after the process was killed. Records are gathered in memory and written by
// flush, every 50 ms under Run; a kill loses at most that. It is written to the
// operating system, not forced to the disk: what a power cut takes is evidence,
// never state.
//
// A file is a sequence of records
//
//	length uint32 · crc32c uint32 of what follows · kind byte · body
//
// little-endian, strings and numbers as in varint.go of encoding/binary. A
// reader stops at the first record that does not check. A file that is full
// gets an index beside it (journalindex.go); the oldest files make room.
type journal struct {
	dir              string
	segment, total   int64
	now              func() int64 // µs
	log              *slog.Logger
	dropped, written atomic.Int64

	mu  sync.Mutex
	buf []byte // guarded by mu; never longer than maxJournalBuffer

	io     sync.Mutex // of all below; taken before mu
	spare  []byte
	file   *os.File
	size   int64
	seq    int64      // of file
	fresh  freshIndex // of file
	sealed []*sealedFile

	failing  bool  // the last flush failed
	lastFail int64 // second of the last logged failure to read: one a second
}

const (
	maxJournalBuffer = 16 << 20
	maxRecord        = 1 << 20
	maxJournalFile   = 1 << 30 // read at most; files are far smaller
	recordHead       = 8
	kindDecision     = 1
	kindFeedback     = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openJournal finds the files of the last start. Those without a sound index
// get one; those in which nothing can count any more are deleted.
func openJournal(dir string, segment, total int64, now func() int64, log *slog.Logger) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the decision journal: %w", err)
	}
	j := &journal{dir: dir, segment: segment, total: total, now: now, log: log}
	seqs, err := j.files()
	if err != nil {
		return nil, err
	}
	for _, seq := range seqs {
		j.seq = seq
		s, err := j.openSealed(seq)
		if err != nil {
			log.Error("a file of the decision journal cannot be used", "error", err)
			continue
		}
		j.sealed = append(j.sealed, s)
	}
	return j, j.tidy(0) // the first flush opens a new file: an old one may have a torn tail
}

// files gives the numbers of the files there, oldest first.
func (j *journal) files() ([]int64, error) {
	names, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("the decision journal: %w", err)
	}
	var out []int64
	for _, e := range names {
		base, ok := strings.CutSuffix(e.Name(), ".journal")
		if seq, err := strconv.ParseInt(base, 10, 64); ok && err == nil && e.Type().IsRegular() {
			out = append(out, seq)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (j *journal) path(seq int64, suffix string) string {
	return filepath.Join(j.dir, fmt.Sprintf("%016d.%s", seq, suffix))
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

func (j *journal) feedback(d *decision, metrics []string) {
	j.add(kindFeedback, func(b []byte) []byte { return appendFeedback(b, d, metrics) })
}

// flush writes what has gathered.
func (j *journal) flush() {
	j.io.Lock()
	defer j.io.Unlock()
	j.flushLocked()
}

func (j *journal) flushLocked() {
	err := j.writeLocked()
	was := j.failing
	j.failing = err != nil
	switch {
	case err != nil && !was: // once, not at each of 20 attempts a second
		j.log.Error("the decision journal could not be written; feedback for these answers will not survive a restart", "error", err)
	case err == nil && was:
		j.log.Info("the decision journal can be written again")
	}
}

func (j *journal) writeLocked() error {
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
		j.seal()
	}
	if j.file == nil {
		if err := j.rotate(); err != nil {
			j.dropped.Add(1)
			return err
		}
	}
	n, err := j.file.Write(out)
	j.fresh.add(out[:n], j.size)
	j.size += int64(n)
	j.written.Add(int64(n))
	if err != nil {
		// A half-written record would hide those after it: go on in a new file.
		j.seal()
		j.dropped.Add(1)
	}
	return err
}

// seal ends the present file.
func (j *journal) seal() {
	s, err := j.writeIndex(j.seq, j.size, &j.fresh)
	if err != nil {
		j.log.Error("an index of the decision journal could not be written; until the next start it is held in memory", "error", err)
	}
	if err := j.file.Close(); err != nil {
		j.log.Warn("closing a journal file failed", "error", err)
	}
	j.file, j.fresh = nil, freshIndex{}
	j.sealed = append(j.sealed, s)
}

// rotate opens the next file and makes room for it.
func (j *journal) rotate() error {
	if err := j.tidy(j.segment); err != nil {
		return err
	}
	f, err := os.OpenFile(j.path(j.seq+1, "journal"), os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	j.seq++
	j.file, j.size = f, 0
	return nil
}

// tidy deletes files in which nothing can count any more, and the oldest beyond
// the total, of which room is to be left free.
func (j *journal) tidy(room int64) error {
	sum, now := room, j.now()
	var keep []*sealedFile
	for i := len(j.sealed) - 1; i >= 0; i-- {
		s := j.sealed[i]
		if sum += s.size; sum <= j.total && s.newest >= now {
			keep = append(keep, s)
			continue
		}
		if err := s.remove(); err != nil {
			return fmt.Errorf("the decision journal: %w", err)
		}
	}
	slices.Reverse(keep)
	j.sealed = keep
	return nil
}

func (j *journal) close() error {
	j.io.Lock()
	defer j.io.Unlock()
	err := j.writeLocked()
	if j.file != nil {
		err = errors.Join(err, j.file.Sync())
		j.seal()
	}
	for _, s := range j.sealed {
		s.close()
	}
	j.sealed = nil
	return err
}

// records calls each with the records of raw that check, in order, and gives
// how many bytes they are. The error says why that is not all.
func records(raw []byte, each func(at int64, kind byte, body []byte)) (good int64, err error) {
	for rest := raw; len(rest) > 0; rest = raw[good:] {
		rec, err := record(rest)
		if err != nil {
			return good, err
		}
		each(good, rec[0], rec[1:])
		good += recordHead + int64(len(rec))
	}
	return good, nil
}

// record is the first record of raw.
func record(raw []byte) ([]byte, error) {
	size, err := recordSize(raw)
	if err != nil {
		return nil, err
	}
	if size > int64(len(raw)-recordHead) {
		return nil, errTorn
	}
	rec := raw[recordHead : recordHead+size]
	if crc32.Checksum(rec, castagnoli) != binary.LittleEndian.Uint32(raw[4:]) {
		return nil, errors.New("damaged record")
	}
	return rec, nil
}

var errTorn = errors.New("torn record")

func recordSize(head []byte) (int64, error) {
	if len(head) < recordHead {
		return 0, errTorn
	}
	size := int64(binary.LittleEndian.Uint32(head))
	if size < 1 || size > maxRecord {
		return 0, errTorn
	}
	return size, nil
}

// readRecord reads the record at an offset.
func readRecord(f io.ReaderAt, at int64, buf []byte) (kind byte, body []byte, err error) {
	n, err := f.ReadAt(buf, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, nil, err
	}
	size, err := recordSize(buf[:n])
	if err != nil {
		return 0, nil, err
	}
	if need := recordHead + int(size); need > n {
		buf = make([]byte, need)
		if _, err := f.ReadAt(buf, at); err != nil {
			return 0, nil, err
		}
		n = need
	}
	rec, err := record(buf[:n])
	if err != nil {
		return 0, nil, err
	}
	return rec[0], rec[1:], nil
}
