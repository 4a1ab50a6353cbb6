/*
 * Handles. JavaScript names a socket by an int32: the index of its slot (20 bits) and the
 * generation of that slot (11 bits). The sign bit stays free: a negative result is an errno.
 *
 * Invariants:
 *  1. A call gets at a descriptor only through slot_find, which compares the whole handle. A handle
 *     of a closed socket finds nothing, even after its slot and its descriptor have been reused.
 *  2. epoll events carry the handle, not the descriptor, so the same comparison (in JavaScript)
 *     drops an event that was under way while its socket was closed.
 *  3. Free slots wait in a queue, first in, first out, behind at least SPARE_SLOTS others. A handle
 *     value comes back only after 2048 uses of its slot.
 *  4. slot_reserve may move the table: no Slot pointer is held across it.
 *  5. A slot holds a stream or a datagram socket. The functions for the one kind do not find the
 *     other: to them it is a stale handle.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "coronet.h"


#define MAX_SLOTS (1u << INDEX_BITS)
#define INDEX_MASK (MAX_SLOTS - 1)
#define GENERATION_STEP (1u << INDEX_BITS)
#define HANDLE_MASK 0x7fffffffu
#define SPARE_SLOTS 256u

uint32_t slot_index_of(int32_t handle) {
  return (uint32_t)handle & INDEX_MASK;
}

/* To the end of the queue: the slot that was given back longest ago is used next. */
static void append_free(Environment *environment, uint32_t index) {
  environment->slots[index].next_free = NO_SLOT;
  if (environment->first_free == NO_SLOT) {
    environment->first_free = index;
  } else {
    environment->slots[environment->last_free].next_free = index;
  }
  environment->last_free = index;
}

/* Doubles the table. Slots never move to another index; their addresses do (invariant 4). */
static int32_t grow(Environment *environment) {
  uint32_t before = environment->capacity;
  uint32_t after = before == 0 ? 2 * SPARE_SLOTS : 2 * before;
  if (after > MAX_SLOTS) after = MAX_SLOTS;
  if (after == before) return -EMFILE;
  Slot *slots = realloc(environment->slots, after * sizeof *slots);
  if (slots == NULL) return -ENOMEM;
  environment->slots = slots;
  environment->capacity = after;
  for (uint32_t index = before; index < after; index += 1) {
    slots[index] = (Slot){.fd = -1, .handle = (int32_t)index};
    append_free(environment, index);
  }
  return 0;
}

/*
 * Makes sure that there is a free slot and says which is next. Called before the descriptor is
 * made, so that a connection which cannot get a slot stays in the system's queue.
 */
int32_t slot_reserve(Environment *environment, uint32_t *index) {
  bool scarce = environment->capacity - environment->sockets <= SPARE_SLOTS;
  if (scarce) {
    int32_t error = grow(environment);
    if (error != 0 && environment->first_free == NO_SLOT) return error;
  }
  *index = environment->first_free;
  return 0;
}

/* Moves `fd` into the reserved slot and returns its handle. */
int32_t slot_fill(Environment *environment, uint32_t index, int fd, Poller *poller) {
  Slot *slot = &environment->slots[index];
  environment->first_free = slot->next_free;
  slot->fd = fd;
  slot->poller = poller;
  slot->peer = (PeerAddress){.family = AF_UNSPEC};
  slot->inherited = false;
  slot->datagram = AF_UNSPEC;
  environment->sockets += 1;
  return slot->handle;
}

/* NULL: no such socket is open (any more). */
Slot *slot_find(Environment *environment, int32_t handle) {
  uint32_t index = slot_index_of(handle);
  if (index >= environment->capacity) return NULL;
  Slot *slot = &environment->slots[index];
  return slot->handle == handle && slot->fd >= 0 ? slot : NULL;
}

/* As slot_find, for connections and listeners alone. */
Slot *stream_find(Environment *environment, int32_t handle) {
  Slot *slot = slot_find(environment, handle);
  return slot != NULL && slot->datagram == AF_UNSPEC ? slot : NULL;
}

/* As slot_find, for datagram sockets alone. */
Slot *datagram_find(Environment *environment, int32_t handle) {
  Slot *slot = slot_find(environment, handle);
  return slot != NULL && slot->datagram != AF_UNSPEC ? slot : NULL;
}

/*
 * Closes the descriptor and gives the slot its next generation. `reset` makes the close an RST:
 * what is unsent is dropped, and the peer sees ECONNRESET. close(2) also takes the descriptor out
 * of epoll, unless a fork holds a copy until its exec: events still come then, and invariant 2
 * applies. An inherited listener is open elsewhere for good (epoll(7), question 6), and every
 * connection to it would go on waking this process.
 */
void slot_release(Environment *environment, Slot *slot, bool reset) {
  if (reset) {
    struct linger abort_now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof abort_now);
  }
  if (slot->inherited) epoll_ctl(slot->poller->epoll_fd, EPOLL_CTL_DEL, slot->fd, NULL);
  close(slot->fd); /* EINTR and EIO leave it closed on Linux; there is nothing to repeat */
  slot->fd = -1;
  slot->poller = NULL;
  slot->handle = (int32_t)(((uint32_t)slot->handle + GENERATION_STEP) & HANDLE_MASK);
  environment->sockets -= 1;
  append_free(environment, (uint32_t)(slot - environment->slots));
}

/* Closes what is still registered at `poller`. */
void slots_release_of(Environment *environment, const Poller *poller) {
  for (uint32_t index = 0; index < environment->capacity; index += 1) {
    Slot *slot = &environment->slots[index];
    if (slot->fd >= 0 && slot->poller == poller) slot_release(environment, slot, false);
  }
}
