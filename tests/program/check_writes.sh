#!/bin/sh
# check_writes.sh - every write of the commands fails once, as on a full or broken disk (tests/fault/fail_write.c): what check_memory.sh
# asks of allocations. `make check` tries a few writes of each command, check-all (CHECK_MEMORY_MOST) all of them.
fault=write
. tests/program/check_memory.sh
