#!/usr/bin/env node
// The command is the library's; this package brings what it needs.
import 'globalperc/cli';
