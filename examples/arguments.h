/* arguments.h - the examples' command lines. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a program may be told: by name ("epochs": --epochs N), or without one by its place. One of the pointers says
 * where it goes; what is there is kept where nothing is told. */
typedef struct argument {
	const char *name;
	int64_t *number;
	double *real;
	const char **text;
	int *flag;                /* stands alone, with a name */
	int32_t *choice;          /* the place of what is told */
	const char *const *among; /* these, the last NULL */
	double least;             /* of a number */
} argument;

static inline int goes_somewhere(const argument *a)
{
	return a->number != NULL || a->real != NULL || a->text != NULL || a->flag != NULL || a->choice != NULL;
}

/* `wrong`: what is not understood, "" where something is missing, or NULL where the usage was asked for. */
static inline void end_with_usage(char **argv, const char *usage, const char *wrong)
{
	const char *slash = strrchr(*argv, '/');
	if (wrong != NULL && *wrong != '\0')
		fprintf(stderr, "'%s' is not understood\n", wrong);
	fprintf(wrong != NULL ? stderr : stdout, "usage: %s %s\n", slash != NULL ? slash + 1 : *argv, usage);
	exit(wrong != NULL ? EXIT_FAILURE : EXIT_SUCCESS);
}

static inline void read_argument(char **argv, const char *usage, const argument *a, const char *value)
{
	char *rest = NULL;
	int place = 0;
	if (a->text != NULL) {
		*a->text = value;
	} else if (a->choice != NULL) {
		while (a->among[place] != NULL && strcmp(value, a->among[place]) != 0)
			place++;
		if (a->among[place] == NULL)
			end_with_usage(argv, usage, value);
		*a->choice = place;
	} else {
		double real = strtod(value, &rest);
		int64_t number = a->number != NULL ? strtoll(value, &rest, 10) : 0;
		if (rest == value || *rest != '\0' || !(real >= a->least))
			end_with_usage(argv, usage, value);
		if (a->number != NULL)
			*a->number = number;
		else
			*a->real = real;
	}
}

/* `known` ends with an empty one. --help prints `usage`; what is not known, or no number where one is wanted, ends the
 * program with it. */
static inline void read_arguments(int argc, char **argv, const char *usage, const argument *known)
{
	enum { MOST = 16, HELP = MOST }; /* that many at most */
	struct option options[MOST + 2];
	int count = 0, named = 0, place = 0;
	memset(options, 0, sizeof options);
	for (; goes_somewhere(&known[count]); count++)
		if (known[count].name != NULL)
			options[named++] =
			    (struct option){ known[count].name,
					     known[count].flag == NULL ? required_argument : no_argument, NULL, count };
	options[named] = (struct option){ "help", no_argument, NULL, HELP };
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == HELP || c == '?')
			end_with_usage(argv, usage, c == HELP ? NULL : ""); /* getopt_long has said what is wrong */
		if (known[c].flag != NULL)
			*known[c].flag = 1;
		else
			read_argument(argv, usage, &known[c], optarg);
	}
	for (; optind < argc; optind++, place++) {
		while (place < count && known[place].name != NULL)
			place++;
		if (place == count)
			end_with_usage(argv, usage, argv[optind]);
		read_argument(argv, usage, &known[place], argv[optind]);
	}
}

#endif
