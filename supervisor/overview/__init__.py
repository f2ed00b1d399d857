"""What there is to see of the program: for the page of the admin listener and for `ca-supervisor top`.

From the program's memory where that knows it, from the store in few bounded reads where not; nothing here changes
anything. `view` answers questions, `ring` keeps the last minutes, the others make the parts.
"""
