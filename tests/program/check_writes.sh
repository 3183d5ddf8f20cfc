#!/bin/sh
# check_writes.sh - every write of the commands fails once, as on a full or broken disk: see
# check_commands.sh.
FAULT=write
. tests/program/check_commands.sh
