// How the board is: its last crash, and what it finds out about itself.
#include "scene_internal.h"

enum status crash_read(struct scene *scene, struct request request, struct answer *answer) {
    if (request.payload[0] > 1) {
        return STATUS_BAD_VALUE;
    }
    if (request.payload[0] == 1) {
        crash_forget(); // before the answer: asked again, it gives the same
    }
    const struct crash crash = crash_last();
    answer_u8(answer, (uint8_t)scene->port.reset_cause);
    answer_u8(answer, (uint8_t)crash.kind);
    answer_u8(answer, (uint8_t)crash.request);
    answer_u32(answer, crash.count);
    answer_u32(answer, crash.registers.pc);
    answer_u32(answer, crash.registers.lr);
    answer_u32(answer, crash.registers.sp);
    answer_u32(answer, crash.registers.cfsr);
    answer_u32(answer, crash.registers.hfsr);
    return STATUS_OK;
}

enum status self_test(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    const struct scene_port *port = &scene->port;
    uint32_t begin = port->cycles();
    bool whole = self_test_constants_are_whole(&port->constants);
    uint32_t cycles = port->cycles() - begin;
    scene->bundle_is_whole = scene->bundle_is_whole && whole; // what was not bound at boot stays unused
    answer_u8(answer, scene->bundle_is_whole);
    answer_u32(answer, (uint32_t)port->constants.count);
    answer_u32(answer, port->constants.crc);
    answer_u32(answer, microseconds(scene, cycles));
    answer_u32(answer, port->clock_hz);
    answer_u32(answer, port->intended_clock_hz);
    answer_u32(answer, (uint32_t)(port->stack.top - port->stack.bottom) * sizeof *port->stack.top);
    answer_u32(answer, (uint32_t)self_test_stack_used(&port->stack));
    return STATUS_OK;
}
