// What the client has changed in the system's tables, and how it is undone: newest first, on every way out.
// Before a change is made its undoing is on disk, so that after a crash or a power cut the next start does
// it.
#pragma once

#include "client/os_tables.h"
#include "common/log.h"

struct undo;

enum undo_kind { UNDO_ROUTE, UNDO_ADDRESS, UNDO_SETTING };

struct undo_step {
	enum undo_kind kind;
	struct os_route route; // UNDO_ROUTE: added, is deleted
	struct prefix address; // UNDO_ADDRESS: added to `luid`, is deleted
	uint64_t luid;         // of an address or a setting
	int family;            // UNDO_SETTING
	enum os_setting setting;
	uint32_t old, set; // goes back to `old`, but only if it still is `set`
};

// Takes up `file` (a path; a copy is made), undoes what a run that could not clean up has left there, and
// logs it. What cannot be undone now stays for the end of this run or the next start. A file that is none of
// these is renamed to FILE.bad with a warning and not followed: entries may concern the interface `tap`, or
// host routes of any interface, and nothing else. `tables` and `log` must outlive it. SL_OK, or a code with a
// sentence.
int undo_new(const struct os_tables *tables, struct sl_log *log, const char *file, uint64_t tap,
	     struct undo **out, struct sl_error *error);
void undo_free(struct undo *undo); // undoes nothing; NULL is fine

// Changes are planned, one or several, written down by undo_write, and made; each that was made is then
// marked by undo_made. A plan that was not written, or whose change failed, is dropped by undo_back.
// The step's number, or SL_ERR_LIMIT with a sentence.
int undo_plan(struct undo *undo, const struct undo_step *step, struct sl_error *error);
int undo_write(struct undo *undo, struct sl_error *error);
void undo_made(struct undo *undo, int number);
void undo_drop(struct undo *undo, int number); // the change was not made after all; the file follows later

size_t undo_count(const struct undo *undo);
const struct undo_step *undo_at(const struct undo *undo, size_t number); // from 0
// A later change of the same setting: its step becomes part of the earlier one's.
void undo_merge(struct undo *undo, size_t earlier, size_t later);

// Undoes every step from number `mark` on, newest first, and drops them; what cannot be undone is logged and
// stays. True: nothing has stayed.
bool undo_back(struct undo *undo, size_t mark);
