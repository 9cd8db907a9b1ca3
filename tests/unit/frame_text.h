// Frames from a short text, for tables of tests: a list of words, outermost layer first. A layer puts its
// own number into the one before it, and lengths come out right unless a word says otherwise.
//
//   to=MAC from=MAC     addresses (default: broadcast, 02:00:00:00:00:11)
//   tag=8100.0005       a VLAN tag: its type and TCI
//   type=88cc           an ethertype of no other layer
//   llc=424203          802.3 with its length, and these bytes
//   snap snap=0000f8    802.3, LLC and SNAP with this OUI (default 000000); type=, ip4 … follow
//   arp                 28 bytes
//   ip4 ip4=N           IPv4, with N words of options
//   ip6                 IPv6
//   mf off=N            IPv4: more fragments follow; the offset in units of 8 bytes
//   hbh rt dst mob hip shim ah esp none proto=N
//                       next headers; hbh=N and the others: with a length field of N, and so many bytes
//   frag=N              IPv6 fragment header with these two bytes of offset and flags, in hexadecimal
//   udp=67.68 udplite=… tcp=…  ports
//   icmp=N icmp6=N igmp=N      type
//   data=N              N bytes more within the packet; hex=… these
//   end                 what follows is padding, or a second packet; pad=N: N bytes of it
//   set=AT.HEX          overwrites bytes of the IP header and on, in the end; len=N: cuts the frame to N
//   bytes
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

struct text_frame {
	uint8_t bytes[4096];
	size_t len;
	size_t slot, slot_size;   // where the next layer's number goes; size 0: nowhere
	size_t length_at, ip4_at; // 0: there is none
	size_t ip6_at, ip_at;
};

static inline void text_hex(struct text_frame *frame, const char *hex, size_t at)
{
	for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		frame->bytes[at++] = (uint8_t)byte;
	if (at > frame->len)
		frame->len = at;
}

static inline void text_zeros(struct text_frame *frame, size_t count)
{
	frame->len += count;
	assert(frame->len < sizeof(frame->bytes));
}

// A layer begins: its number into the slot of the one before it.
static inline void text_layer(struct text_frame *frame, unsigned ethertype, unsigned protocol)
{
	if (frame->slot_size == 2)
		sl_put16(frame->bytes + frame->slot, (uint16_t)ethertype);
	else if (frame->slot_size == 1)
		frame->bytes[frame->slot] = (uint8_t)protocol;
	frame->slot_size = 0;
}

static inline void text_end(struct text_frame *frame)
{
	if (frame->length_at != 0)
		sl_put16(frame->bytes + frame->length_at, (uint16_t)(frame->len - frame->length_at - 2));
	if (frame->ip4_at != 0)
		sl_put16(frame->bytes + frame->ip4_at + 2, (uint16_t)(frame->len - frame->ip4_at));
	if (frame->ip6_at != 0)
		sl_put16(frame->bytes + frame->ip6_at + 4, (uint16_t)(frame->len - frame->ip6_at - 40));
	frame->length_at = frame->ip4_at = frame->ip6_at = 0;
	frame->slot_size = 0;
}

// The words of link layers. False: it is none.
static inline bool text_link(struct text_frame *frame, const char *word, const char *value)
{
	if (strcmp(word, "to") == 0 || strcmp(word, "from") == 0) {
		unsigned b[6] = {0};

		sscanf(value, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]);
		for (size_t i = 0; i < 6; i++)
			frame->bytes[(word[0] == 'f' ? 6 : 0) + i] = (uint8_t)b[i];
	} else if (strcmp(word, "tag") == 0) {
		text_layer(frame, (unsigned)strtoul(value, NULL, 16), 0);
		text_hex(frame, strchr(value, '.') + 1, frame->len);
		frame->slot = frame->len;
		frame->slot_size = 2;
		text_zeros(frame, 2);
	} else if (strcmp(word, "type") == 0) {
		text_layer(frame, (unsigned)strtoul(value, NULL, 16), 0);
	} else if (strcmp(word, "llc") == 0) {
		frame->length_at = frame->slot;
		frame->slot_size = 0;
		text_hex(frame, value, frame->len);
	} else if (strcmp(word, "snap") == 0) {
		frame->length_at = frame->slot;
		text_hex(frame, "aaaa03", frame->len);
		text_hex(frame, value[0] != '\0' ? value : "000000", frame->len);
		frame->slot = frame->len;
		text_zeros(frame, 2);
	} else if (strcmp(word, "arp") == 0) {
		text_layer(frame, 0x0806, 0);
		text_hex(frame, "0001080006040001020000000011c0a80132000000000000c0a80163", frame->len);
	} else {
		return false;
	}
	return true;
}

static inline bool text_ip(struct text_frame *frame, const char *word, const char *value)
{
	unsigned long number = strtoul(value, NULL, 10);

	if (strcmp(word, "ip4") == 0) {
		text_layer(frame, 0x0800, 4);
		frame->ip4_at = frame->ip_at = frame->len;
		frame->slot = frame->len + 9;
		text_hex(frame, "4000000000000000400000000a000001ffffffff", frame->len);
		frame->bytes[frame->ip4_at] |= (uint8_t)(5 + number);
		for (unsigned long i = 0; i < number; i++)
			text_hex(frame, "01010101", frame->len);
	} else if (strcmp(word, "ip6") == 0) {
		text_layer(frame, 0x86dd, 41);
		frame->ip6_at = frame->ip_at = frame->len;
		frame->slot = frame->len + 6;
		text_hex(frame, "6000000000000eff", frame->len);
		text_hex(frame, "fe800000000000000000000000000011", frame->len);
		text_hex(frame, "ff020000000000000000000000000001", frame->len);
	} else if (strcmp(word, "mf") == 0) {
		frame->bytes[frame->ip4_at + 6] |= 0x20;
		return true;
	} else if (strcmp(word, "off") == 0) {
		frame->bytes[frame->ip4_at + 6] |= (uint8_t)(number >> 8);
		frame->bytes[frame->ip4_at + 7] = (uint8_t)number;
		return true;
	} else {
		return false;
	}
	frame->slot_size = 1;
	return true;
}

static inline bool text_extension(struct text_frame *frame, const char *word, const char *value)
{
	static const struct {
		const char *word;
		unsigned number, unit, more;
	} kinds[] = {
		{"hbh", 0, 8, 1},   {"rt", 43, 8, 1},    {"dst", 60, 8, 1}, {"mob", 135, 8, 1},
		{"hip", 139, 8, 1}, {"shim", 140, 8, 1}, {"ah", 51, 4, 2},
	};
	unsigned long number = strtoul(value, NULL, 10);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(word, kinds[i].word) != 0)
			continue;
		text_layer(frame, 0, kinds[i].number);
		frame->slot = frame->len;
		frame->slot_size = 1;
		text_zeros(frame, (number + kinds[i].more) * kinds[i].unit);
		frame->bytes[frame->slot + 1] = (uint8_t)number;
		return true;
	}
	if (strcmp(word, "frag") != 0)
		return false;
	text_layer(frame, 0, 44);
	frame->slot = frame->len;
	frame->slot_size = 1;
	text_zeros(frame, 8);
	sl_put16(frame->bytes + frame->slot + 2, (uint16_t)strtoul(value, NULL, 16));
	return true;
}

static inline bool text_transport(struct text_frame *frame, const char *word, const char *value)
{
	static const struct {
		const char *word;
		unsigned number;
		size_t header;
	} kinds[] = {
		{"udp", 17, 8}, {"udplite", 136, 8}, {"tcp", 6, 20}, {"icmp", 1, 8},
		{"igmp", 2, 8}, {"icmp6", 58, 8},    {"esp", 50, 8}, {"none", 59, 0},
	};
	unsigned long number = strtoul(value, NULL, 10);
	const char *second = strchr(value, '.');
	size_t at = frame->len;

	if (strcmp(word, "proto") == 0) {
		text_layer(frame, 0, (unsigned)number);
		return true;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(word, kinds[i].word) != 0)
			continue;
		text_layer(frame, 0, kinds[i].number);
		text_zeros(frame, kinds[i].header);
		if (second != NULL) {
			sl_put16(frame->bytes + at, (uint16_t)number);
			sl_put16(frame->bytes + at + 2, (uint16_t)strtoul(second + 1, NULL, 10));
		} else if (kinds[i].header != 0) {
			frame->bytes[at] = (uint8_t)number;
		}
		return true;
	}
	return false;
}

// The frame that the text says. An unknown word ends the program: it is a mistake in a test.
static inline void text_frame_make(struct text_frame *frame, const char *text)
{
	char copy[512], *next = copy, *word;
	bool ended = false;

	memset(frame, 0, sizeof(*frame));
	snprintf(copy, sizeof(copy), "%s", text);
	text_hex(frame, "ffffffffffff0200000000110000", 0);
	frame->slot = 12;
	frame->slot_size = 2;
	while ((word = strsep(&next, " ")) != NULL) {
		char *value = strchr(word, '=');

		if (word[0] == '\0')
			continue;
		if (value != NULL)
			*value++ = '\0';
		else
			value = word + strlen(word);
		if (strcmp(word, "data") == 0) {
			text_zeros(frame, strtoul(value, NULL, 10));
		} else if (strcmp(word, "hex") == 0) {
			text_hex(frame, value, frame->len);
		} else if (strcmp(word, "end") == 0 || strcmp(word, "set") == 0 || strcmp(word, "len") == 0 ||
			   strcmp(word, "pad") == 0) {
			if (!ended)
				text_end(frame);
			ended = true;
			if (word[0] == 's')
				text_hex(frame, strchr(value, '.') + 1,
					 frame->ip_at + strtoul(value, NULL, 10));
			else if (word[0] == 'l')
				frame->len = strtoul(value, NULL, 10);
			else if (word[0] == 'p')
				text_zeros(frame, strtoul(value, NULL, 10));
		} else if (!text_link(frame, word, value) && !text_ip(frame, word, value) &&
			   !text_extension(frame, word, value) && !text_transport(frame, word, value)) {
			fprintf(stderr, "frame_text: what is \"%s\"?\n", word);
			abort();
		}
	}
	if (!ended)
		text_end(frame);
}
