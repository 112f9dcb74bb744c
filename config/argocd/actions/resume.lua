-- Puts the rules in place again, if there is time left.
obj.spec.suspend = false
return obj
