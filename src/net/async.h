// Windows: from another thread into the loop.
#pragma once

#include "net/loop.h"

struct sl_async;
// `fn` is called from the loop after each sl_async_send; several sends before that are one call. NULL: out of
// memory.
struct sl_async *sl_loop_async(struct sl_loop *loop, void (*fn)(void *arg), void *arg);
void sl_async_send(struct sl_async *async);
// From the loop's thread, when no other thread can send any more. NULL is fine.
void sl_async_free(struct sl_async *async);
