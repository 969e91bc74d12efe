// Layer 3 of USBD, the top: the serial port over USB, lib/usb on the nRF52840's USBD peripheral.
//
// Files, each calling only those before it: usbd_dma.c (packets between RAM and the peripheral), usbd_power.c
// (switching the peripheral on and off, and its errata); usbd_control.c (endpoint 0); usbd.c (the port: bytes in and
// out).
#ifndef USBD_H
#define USBD_H

#include <stddef.h>
#include <stdint.h>

// The crystal and the cycle counter must run. Returns at once; the host finds the board when it is connected.
void usbd_init(void);

// Hands bytes to the host. What it does not take, because no program has opened the port or because the program does
// not read for a while, is dropped and counted: never waits for longer than USBD_PATIENCE_MS without progress. From a
// fault handler, it also waits until the host has everything. Needs no interrupts.
void usbd_write(const uint8_t *bytes, size_t count);

// Waits until the host has what was written, and leaves the bus, so that the host sees the board go.
void usbd_detach(void);

#define USBD_PATIENCE_MS 250u

#endif
