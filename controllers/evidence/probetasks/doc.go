// SPDX-License-Identifier: Apache-2.0

// Package probetasks makes the calls of Amazon ECS about the tasks of probes, for the controller and
// for the sweep: it promises that each task which a call of it starts can be told from every other
// task by what AWS shows of it alone.
//
// ListTasks finds tasks by startedBy, and only by the whole of it. So all tasks of probes have the
// same one, and their task group says whose they are. It knows no object, and decides nothing about
// a run.
package probetasks
