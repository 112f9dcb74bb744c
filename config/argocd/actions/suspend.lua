-- Lifts the rules, or keeps a run from beginning. Its end does not move.
obj.spec.suspend = true
return obj
