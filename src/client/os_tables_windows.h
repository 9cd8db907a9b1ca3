// Windows' tables, by IP Helper. An interface is its LUID.
#pragma once

#include "client/os_tables.h"
#include "client/undo.h"
#include "net/loop.h"

// The table of functions (its arg is not used); lives as long as the program.
extern const struct os_tables os_tables_windows;

// The interface with this index. SL_OK or a code with a sentence.
int os_interface(int ifindex, uint64_t *luid, struct sl_error *error);

// undo_new on a file of ProgramData that is this interface's own; `what`: "route", "tap". What runs with
// other interfaces have left there is undone, too: one client alone runs on a computer.
int os_undo_new(struct sl_log *log, const char *what, uint64_t tap, struct undo **out,
		struct sl_error *error);

// Calls `fn` from the loop soon after routes, addresses or settings of any interface have changed. Where the
// system cannot tell, it never does. NULL: out of memory.
struct os_watch;
struct os_watch *os_watch_new(struct sl_loop *loop, void (*fn)(void *arg), void *arg);
void os_watch_free(struct os_watch *watch); // NULL is fine
