"""Threads whose work no signal, fork or end of the interpreter can leave half done."""
