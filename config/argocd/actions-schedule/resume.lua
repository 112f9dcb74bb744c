-- Has runs begin again, from the next time on.
obj.spec.suspend = false
return obj
