// What a restore would do.
import { element, named } from './elements.js';
import { bytes, counted } from './format.js';
import { table } from './parts.js';

/** How many steps a plan has, and how many of them replace something. */
export function counts({ plans }) {
  const steps = plans.flatMap((plan) => plan.steps);
  return { steps: steps.length, replaced: steps.filter((step) => step.overwrites).length };
}

function one(plan) {
  return element('section', { class: 'planned' },
    element('h3', {}, named(plan.source)),
    element('p', { class: 'hint' }, 'saved by ', named(plan.saved_by || 'another program', ''), ', restored by ', named(plan.restored_by, '')),
    plan.steps.length === 0 ? element('p', {}, 'Nothing is to be done.') : table(`Steps for ${plan.source}`, [
      { title: 'Part', cell: (step) => named(step.part) },
      { title: 'What is done', cell: (step) => named(step.action, '') },
      { title: 'To what', cell: (step) => named(step.target) },
      { title: 'Bytes', className: 'number', cell: (step) => bytes(step.bytes) },
      { title: 'What is there', cell: (step) => (step.overwrites ? element('span', { class: 'badge warning' }, 'Replaced') : element('span', { class: 'hint' }, 'nothing is replaced')) },
    ], plan.steps));
}

/** A plan with its warnings, as a plan's job gives it. */
export function planned(plan) {
  const { steps, replaced } = counts(plan);
  return [
    element('p', {}, counted(steps, 'step'), ' for ', counted(plan.plans.length, 'source'), ', in this order. ',
      replaced ? element('strong', {}, `${replaced} of them replace${replaced === 1 ? 's' : ''} what is there.`) : 'Nothing that is there is replaced.'),
    plan.warnings.map((warning) => element('p', { class: 'warn' }, named(warning, ''))),
    plan.plans.map(one),
  ];
}
