-- Keeps new runs from beginning. A run that is on goes on.
obj.spec.suspend = true
return obj
