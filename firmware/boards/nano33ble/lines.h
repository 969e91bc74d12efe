// The board has two lines to a host. Output goes to the line that last received something; before that, to both.
#ifndef LINES_H
#define LINES_H

enum line {
    LINE_BOTH,
    LINE_UART,
    LINE_USB,
};

extern volatile enum line line_in_use;

#endif
