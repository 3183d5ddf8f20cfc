#!/bin/sh
# check_kills.sh - every command is killed before each rename: see check_commands.sh.
FAULT=kill
. tests/program/check_commands.sh
