// Package systemd is how denofn speaks with systemd, and the units beside it are
// how systemd is told about denofn.
//
// [Listeners] takes the sockets that socket units pass, by name. [NewNotifier]
// tells the service manager that the daemon is ready, stopping, reloading, alive
// and what it is doing. [NewLogHandler] writes the log where it can be searched
// best: as fields to the journal, or as lines to standard error.
//
// Outside of systemd all of them work and do nothing, or write text, so that a
// caller need not know where it runs.
package systemd
