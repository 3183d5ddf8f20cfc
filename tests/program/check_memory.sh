#!/bin/sh
# check_memory.sh - every allocation of the commands fails once: see check_commands.sh.
FAULT=malloc
. tests/program/check_commands.sh
