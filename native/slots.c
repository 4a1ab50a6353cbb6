/*
 * Handles. A handle is an int32: the index of a slot (INDEX_BITS bits) and the generation of that
 * slot (11 bits). The sign bit is free: a negative result is an errno.
 *
 * Invariants:
 *  1. Calls find a descriptor only through slot_find, which compares the whole handle. The handle
 *     of a closed socket is not found, even after its slot and its descriptor are reused.
 *  2. epoll events carry the handle, not the descriptor. JavaScript makes the same comparison and
 *     drops events that were queued before their socket was closed.
 *  3. Free slots are reused in FIFO order, and at least SPARE_SLOTS are free. A handle value is
 *     reused only after 2048 uses of its slot.
 *  4. slot_reserve may move the table: no Slot pointer is kept across it.
 *  5. A slot holds a stream or a datagram socket. The functions for one kind do not find the other;
 *     to them its handle is stale.
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

/* Appends to the end of the free list: the slot that was freed first is reused first. */
static void append_free(Environment *environment, uint32_t index) {
  environment->slots[index].next_free = NO_SLOT;
  if (environment->first_free == NO_SLOT) {
    environment->first_free = index;
  } else {
    environment->slots[environment->last_free].next_free = index;
  }
  environment->last_free = index;
}

/* Doubles the table. The index of a slot never changes, but its address does (invariant 4). */
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
 * Ensures a free slot and returns its index. Called before the descriptor is created, so that a
 * connection that cannot get a slot stays in the queue of the system.
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

/* Stores `fd` in the reserved slot and returns its handle. */
int32_t slot_fill(Environment *environment, uint32_t index, int fd, Poller *poller) {
  Slot *slot = &environment->slots[index];
  environment->first_free = slot->next_free;
  slot->fd = fd;
  slot->poller = poller;
  slot->tls = NULL;
  slot->peer = (PeerAddress){.family = AF_UNSPEC};
  slot->inherited = false;
  slot->delays = false;
  slot->datagram = AF_UNSPEC;
  environment->sockets += 1;
  return slot->handle;
}

/* NULL: no open socket has this handle. */
Slot *slot_find(Environment *environment, int32_t handle) {
  uint32_t index = slot_index_of(handle);
  if (index >= environment->capacity) return NULL;
  Slot *slot = &environment->slots[index];
  return slot->handle == handle && slot->fd >= 0 ? slot : NULL;
}

/* As slot_find, for connections and listeners only. */
Slot *stream_find(Environment *environment, int32_t handle) {
  Slot *slot = slot_find(environment, handle);
  return slot != NULL && slot->datagram == AF_UNSPEC ? slot : NULL;
}

/* As slot_find, for datagram sockets only. */
Slot *datagram_find(Environment *environment, int32_t handle) {
  Slot *slot = slot_find(environment, handle);
  return slot != NULL && slot->datagram != AF_UNSPEC ? slot : NULL;
}

/*
 * Closes the descriptor and increments the generation of the slot. `reset` makes the close an RST:
 * unsent bytes are discarded, and the peer receives ECONNRESET. close(2) also removes the
 * descriptor from epoll, unless a forked process has a copy until its exec; events that are still
 * reported then fall under invariant 2. An inherited listener stays open in other processes
 * (epoll(7), question 6), and without EPOLL_CTL_DEL every connection to it would wake this process.
 */
void slot_release(Environment *environment, Slot *slot, bool reset) {
  if (slot->tls != NULL) tls_free(slot);
  if (reset) {
    struct linger abort_now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof abort_now);
  }
  if (slot->inherited) epoll_ctl(slot->poller->epoll_fd, EPOLL_CTL_DEL, slot->fd, NULL);
  close(slot->fd); /* on Linux also closed after EINTR and EIO */
  slot->fd = -1;
  slot->poller = NULL;
  slot->handle = (int32_t)(((uint32_t)slot->handle + GENERATION_STEP) & HANDLE_MASK);
  environment->sockets -= 1;
  append_free(environment, (uint32_t)(slot - environment->slots));
}

/* Closes all sockets of `poller`. */
void slots_release_of(Environment *environment, const Poller *poller) {
  for (uint32_t index = 0; index < environment->capacity; index += 1) {
    Slot *slot = &environment->slots[index];
    if (slot->fd >= 0 && slot->poller == poller) slot_release(environment, slot, false);
  }
}
