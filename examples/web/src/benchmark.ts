/** The benchmark that the page is about: the name of its folder among the artifacts. */
export const BENCHMARK = "accel-nasbench";
