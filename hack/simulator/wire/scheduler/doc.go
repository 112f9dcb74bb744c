// SPDX-License-Identifier: Apache-2.0

// Package scheduler is the API of EventBridge Scheduler for one-time schedules with universal targets. What AWS takes
// beyond that (rate and cron expressions, templated targets, dead-letter queues, customer managed keys) is refused with a
// ValidationException that says so.
package scheduler
