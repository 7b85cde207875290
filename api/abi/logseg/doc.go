// Package logseg is the form in which the agent inside a service container leaves the service's log on disk, and the
// only code that writes or reads it. The agent writes; the daemon reads, also years later and from backups.
//
// A log is a folder of segments:
//
//	00000001.log        the oldest segment that is kept
//	…
//	00000016.log        the newest, which grows
//
// A segment is a sequence of records, one to a line, each ended by "\n":
//
//	{"t":1764000000123456789,"s":"stdout","p":"service","m":"listening on 80"}
//
// t is the time in nanoseconds since 1970, s the stream (stdout, stderr or system), p the program that spoke, m the
// line without its end. A message has at most MaxMessage bytes of valid UTF-8; whoever has a longer line cuts it. A
// segment has at most SegmentSize bytes and only the newest KeepSegments are kept. Numbers only rise: a writer that
// starts anew continues with the next number and never touches what is there, so a place in the log, a Cursor, is a
// segment number and a byte offset and stays good for as long as the segment is kept.
//
// The package deliberately does not index, compress or sync: losing the last seconds in a power cut is accepted, a
// record torn by it is skipped.
//
// Invariants: the container can write the folder, so for a reader every byte and every name is hostile. A reader opens
// regular files directly below its folder and nothing else, follows no link, waits on no pipe, holds bounded memory and
// ends within a second of its context, whatever it finds. A writer keeps no more than its quota, whatever it is given.
package logseg
