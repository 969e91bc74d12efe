// The board's health: its last crash, and its self-test.
#include "scene_internal.h"

enum scene_status scene_crash_read(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    if (request.payload[0] > 1) {
        return SCENE_STATUS_BAD_VALUE;
    }
    if (request.payload[0] == 1) {
        crash_forget(); // before the answer: asked again, it gives the same
    }
    const struct crash crash = crash_last();
    scene_answer_u8(answer, (uint8_t)scene->port.reset_cause);
    scene_answer_u8(answer, (uint8_t)crash.kind);
    scene_answer_u8(answer, (uint8_t)crash.request);
    scene_answer_u32(answer, crash.count);
    scene_answer_u32(answer, crash.registers.pc);
    scene_answer_u32(answer, crash.registers.lr);
    scene_answer_u32(answer, crash.registers.sp);
    scene_answer_u32(answer, crash.registers.cfsr);
    scene_answer_u32(answer, crash.registers.hfsr);
    return SCENE_STATUS_OK;
}

enum scene_status scene_self_test(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    const struct scene_port *port = &scene->port;
    uint32_t begin = port->cycles();
    bool whole = self_test_constants_are_whole(&port->constants);
    uint32_t cycles = port->cycles() - begin;
    scene->bundle_is_whole = scene->bundle_is_whole && whole; // what was not bound at boot stays unused
    scene_answer_u8(answer, scene->bundle_is_whole);
    scene_answer_u32(answer, (uint32_t)port->constants.count);
    scene_answer_u32(answer, port->constants.crc);
    scene_answer_u32(answer, scene_microseconds(scene, cycles));
    scene_answer_u32(answer, port->clock_hz);
    scene_answer_u32(answer, port->intended_clock_hz);
    scene_answer_u32(answer, (uint32_t)(port->stack.top - port->stack.bottom) * sizeof *port->stack.top);
    scene_answer_u32(answer, (uint32_t)self_test_stack_used(&port->stack));
    return SCENE_STATUS_OK;
}
