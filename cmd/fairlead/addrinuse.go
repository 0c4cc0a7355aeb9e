package main

import "syscall"

// errAddrInUse is what a listener on a taken port fails with.
const errAddrInUse = syscall.EADDRINUSE
