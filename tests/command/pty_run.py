"""Runs a command in a terminal of its own: `pty_run.py TEXT=KEYS... -- CMD...`.

KEYS (Python escapes, such as \\x03) are typed once the terminal has shown TEXT, one pair after the other. What it shows goes to stdout.
The exit status is the command's, 128 + n after signal n.
"""

import os
import pty
import sys

split = sys.argv.index("--")
keys = [pair.partition("=")[::2] for pair in sys.argv[1:split]]
command = sys.argv[split + 1 :]

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
unseen = b""
while True:
    try:
        shown = os.read(terminal, 65536)
    except OSError:
        shown = b""
    if not shown:
        break
    os.write(1, shown)
    unseen += shown
    while keys and keys[0][0].encode() in unseen:
        text, typed = keys.pop(0)
        unseen = unseen.partition(text.encode())[2]
        os.write(terminal, typed.encode().decode("unicode_escape").encode())
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(128 - status if status < 0 else status)
